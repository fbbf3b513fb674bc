"""The commands' side: ask a running mount."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from wsfs.control.wire import SILENCE, ControlError, connected, line_of


def call(
    path: Path,
    command: str,
    *,
    within: str | None = None,
    after: int | None = None,
    inodes: Sequence[int] | None = None,
    progress: Callable[[dict[str, Any]], None] = lambda state: None,
    silence: float = SILENCE,
) -> dict[str, Any]:
    """Send `command` to the socket `path`, blocking; its result.

    `within` is the path in the mount that the command is about, `inodes` what it is about, `after` a count that it
    begins after. Raises NotServed when nobody listens, ControlError with the mount's own sentence, and when it says
    nothing for `silence` seconds or ends before its answer.
    """
    told = {"path": within, "after": after, "inodes": inodes}
    request = {"command": command} | {name: value for name, value in told.items() if value is not None}
    with connected(path, silence) as connection:
        try:
            connection.sendall(line_of(request))
            with connection.makefile("rb") as lines:
                for line in lines:
                    answer = json.loads(line)
                    if "error" in answer:
                        raise ControlError(answer["error"])
                    if "result" in answer:
                        return dict(answer["result"])
                    if "progress" in answer:
                        progress(answer["progress"])
        except TimeoutError as error:
            raise ControlError(f"the mount has not answered for {silence:.0f} seconds") from error
        except OSError as error:
            raise ControlError(f"the connection to the mount broke off ({error.strerror})") from error
        except ValueError as error:
            raise ControlError(
                "the mount's answer makes no sense; is it of another version of wsfs?"
            ) from error
    raise ControlError("the mount ended before it answered")
