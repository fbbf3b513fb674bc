"""How the commands talk to a running mount: one Unix socket a mount, lines of JSON.

A client sends one request a connection, `{"command": "flush", "path": "/Website"}`. The answer is any number
of `{"progress": {…}}`, an `{"alive": true}` every few seconds while the command works, and at last one
`{"result": {…}}` or `{"error": "sentence"}`. Paths are those within the mount: absolute, `/` being its root.

The socket is named by a hash of the mountpoint and lies in a directory that only its user may enter; root and
that user are served, nobody else.
"""

from __future__ import annotations

from wsfs.control.client import call
from wsfs.control.server import Controls, Progress, serve_control
from wsfs.control.sockets import (
    LiveMount,
    control_path,
    find_mount,
    finishing_path,
    finishing_sockets,
    live_mounts,
    runtime_directories,
    socket_name,
)
from wsfs.control.wire import ControlError, NotServed, server_pid

__all__ = [
    "ControlError",
    "Controls",
    "LiveMount",
    "NotServed",
    "Progress",
    "call",
    "control_path",
    "find_mount",
    "finishing_path",
    "finishing_sockets",
    "live_mounts",
    "runtime_directories",
    "serve_control",
    "server_pid",
    "socket_name",
]
