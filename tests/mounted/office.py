"""LibreOffice, saving as it does when a person says so; what it is told is said by office_program.py."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

SYSTEM_PYTHON = "/usr/bin/python3"
"""It has LibreOffice's bindings."""
PROGRAM = Path(__file__).parent.parent / "desktop" / "office_program.py"


class Office:
    """LibreOffice without its windows, and one document."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        accept = f"socket,host=127.0.0.1,port={port};urp"
        self._office = subprocess.Popen(
            ["soffice", "--headless", "--norestore", "--nologo", f"-env:UserInstallation={(home / 'office').as_uri()}",
             f"--accept={accept}"],
            env={**os.environ, "HOME": str(home)}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self._hands = subprocess.Popen(
            [SYSTEM_PYTHON, PROGRAM, str(port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def do(self, what: str, **more: str) -> dict[str, Any]:
        assert self._hands.stdin is not None
        assert self._hands.stdout is not None
        print(json.dumps({"do": what, **more}), file=self._hands.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._hands.stdout.readline())
        assert "error" not in answer, answer
        return answer

    def quit(self) -> None:
        assert self._hands.stdin is not None
        assert self._hands.stdout is not None
        if self._hands.poll() is None:
            print(json.dumps({"do": "quit"}), file=self._hands.stdin, flush=True)
            self._hands.stdin.close()
            self._hands.wait(30)
        self._hands.stdout.close()
        try:
            self._office.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self._office.pid, 9)
            self._office.wait(10)
