"""What a colleague does on the web, said as JSON: for scripts and tests that run the emulator as a process."""

from __future__ import annotations

from typing import Any

from wsfs.emulator.account import Account, NewFile
from wsfs.emulator.contents import Content, Noise
from wsfs.emulator.pictures import Photograph

DEEDS = {
    "add_project": (),
    "add_task": ("project",),
    "add_comment": ("task",),
    "add_file_to_project": ("project",),
    "add_file_to_task": ("task",),
    "update_task": ("task",),
    "update_project": ("project",),
    "rename_task": ("task",),
    "rename_project": ("project",),
    "move_task": ("task",),
    "close_task": ("task",),
    "reopen_task": ("task",),
    "close_project": ("project",),
    "activate_project": ("project",),
    "delete_file": ("file",),
    "delete_comment": ("comment",),
    "delete_task": ("task",),
    "delete_project": ("project",),
}


def act(account: Account, said: dict[str, Any]) -> dict[str, Any]:
    """Do `{"do": METHOD, ARGUMENT: …}`, METHOD being one of Account's; things are named by their ids.

    A file is `{"name": N, "text": T}` or `{"name": N, "size": BYTES, "seed": S}` (noise, with `"photo": true` a
    JPEG); `user` is an address.
    Returns the ids of what was made. Raises ValueError, TypeError or KeyError for what makes no sense.
    """
    arguments = dict(said)
    deed = str(arguments.pop("do"))
    positional = [int(arguments.pop(name)) for name in DEEDS[deed]]
    if "user" in arguments:
        arguments["user"] = account.user_by_email(str(arguments["user"]))
    if "files" in arguments:
        arguments["files"] = [_file(each) for each in arguments["files"]]
    if deed in {"add_file_to_project", "add_file_to_task"}:
        arguments["file"] = _file(arguments["file"])
    made = getattr(account, deed)(*positional, **arguments)
    if made is None:
        return {}
    return {"id": made.id, "files": [file.id for file in getattr(made, "files", [])]}


def _file(said: dict[str, Any]) -> NewFile:
    content: Content | bytes
    if "text" in said:
        content = str(said["text"]).encode()
    elif said.get("photo"):
        content = Photograph(int(said.get("seed", 0)), int(said["size"]))
    else:
        content = Noise(int(said.get("seed", 0)), int(said["size"]))
    return NewFile(str(said["name"]), content)
