"""LibreOffice Writer at work, over its own bus; a program of the system's own Python, which has its bindings.

Arguments: the port at which soffice listens. Reads a JSON object a line, does what it says to the one document, and
answers with one line: `{"do": "new"}`, `open` (with `path`), `write` (`text`), `save_as` (`path`), `save`, `close`,
`quit`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import uno  # type: ignore[import-not-found, unused-ignore]
from com.sun.star.beans import PropertyValue  # type: ignore[import-not-found, unused-ignore]

PATIENCE = 60.0


def connect(port: str) -> Any:
    local = uno.getComponentContext()
    resolver = local.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", local)
    until = time.monotonic() + PATIENCE
    while True:
        try:
            context = resolver.resolve(
                f"uno:socket,host=127.0.0.1,port={port};urp;StarOffice.ComponentContext"
            )
        except Exception:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return context.ServiceManager.createInstanceWithContext("com.sun.star.frame.Desktop", context)


def as_word() -> tuple[Any, ...]:
    chosen = PropertyValue()
    chosen.Name, chosen.Value = "FilterName", "MS Word 2007 XML"
    return (chosen,)


def main() -> None:
    desktop = connect(sys.argv[1])
    document: Any = None
    for line in sys.stdin:
        said = json.loads(line)
        answer: dict[str, Any]
        try:
            match said["do"]:
                case "new":
                    document = desktop.loadComponentFromURL("private:factory/swriter", "_blank", 0, ())
                case "open":
                    document = desktop.loadComponentFromURL(Path(said["path"]).as_uri(), "_blank", 0, ())
                case "write":
                    document.Text.insertString(document.Text.getEnd(), said["text"], False)
                case "save_as":
                    document.storeAsURL(Path(said["path"]).as_uri(), as_word())
                case "save":
                    document.store()
                case "close":
                    document.close(True)
                case "quit":
                    desktop.terminate()
            answer = {
                "done": True,
                "read_only": bool(document and said["do"] == "open" and document.isReadonly()),
            }
        except Exception as error:  # noqa: BLE001 - the test says what it makes of it
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
