"""A program that is killed between two steps of an upload: the real parts of a mount, without FUSE.

A step is what a crash can't take back: a transaction of the spool's journal, a change of its contents, a request,
what the catalog remembers for ever, what the cache takes in. This program wraps them; wsfs knows nothing of it. It
reads its tasks from the standard input, a line of JSON each, and does each in a process of its own.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import httpx
import trio

from tests.drive import harness
from tests.drive.harness import Desk, Setup
from wsfs.catalog.store import Store
from wsfs.content.fetch import Content
from wsfs.drive.errors import NoSuchName
from wsfs.emulator.emulator import Emulator
from wsfs.tree.inodes import Kind
from wsfs.tree.nodes import File
from wsfs.uploads import journal
from wsfs.uploads.contents import SMALL, Contents
from wsfs.uploads.nodes import NODE_COLUMNS
from wsfs.uploads.options import Options
from wsfs.uploads.states import State

OPTIONS = Options(settle=600, look_again=0.3, retry_first=0.05, retry_most=0.2, grace=0.5, listing_tries=3)
STATE, CLOSED = NODE_COLUMNS.index("state"), NODE_COLUMNS.index("closed")


class Steps:
    """Counts the steps of this process, writes each down, and kills it right before one."""

    def __init__(self, words: Path, stop: tuple[str, int] | None) -> None:
        self._words = os.open(words, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._stop = stop
        self._seen: Counter[str] = Counter()

    def say(self, word: str) -> None:
        """Write a word down, which outlives the process."""
        os.write(self._words, f"{word}\n".encode())

    def reach(self, step: str) -> None:
        """A step is about to be done."""
        self._seen[step] += 1
        if self._stop == (step, self._seen[step]):
            os.kill(os.getpid(), signal.SIGKILL)
        self.say(f"step {step}")

    def wrap(self, owner: Any, name: str, label: Callable[..., str | None]) -> None:
        """Have a function, or a coroutine function, count as a step; `label` gets its arguments."""
        original = getattr(owner, name)

        @functools.wraps(original)
        def wrapped(*arguments: Any, **named: Any) -> Any:
            step = label(*arguments, **named)
            if step is not None:
                self.reach(step)
            return original(*arguments, **named)

        setattr(owner, name, wrapped)

    def install(self) -> None:
        """Wrap all that a crash can't take back."""
        self.wrap(journal, "_transact", lambda database, operations: _journal_step(operations))
        for name in ("make", "make_safe", "append", "copy", "remove"):
            self.wrap(Contents, name, functools.partial(_named, f"content {name}"))
        self.wrap(harness.Switch, "handle_async_request", _request_step)
        for name in ("add_alias", "set", "flush"):
            self.wrap(Store, name, functools.partial(_named, f"catalog {name}"))
        self.wrap(Content, "adopt", functools.partial(_named, "cache adopt"))


def _named(step: str, *arguments: object, **named: object) -> str:
    return step


def _journal_step(operations: list[journal.Operation]) -> str:
    words = set()
    for sql, values in operations:
        delete = sql.startswith("delete")
        table = sql.split()[2 if delete else 4]
        if delete:
            words.add(f"no {table}")
        elif table == "nodes":
            words.add(f"{values[STATE]}{' (closed)' if values[CLOSED] else ''}")
        elif table == "batches":
            words.add("batch" if values[-1] is None else "batch posted")
        else:
            words.add(table)
    return f"journal {', '.join(sorted(words))}"


def _request_step(network: object, request: httpx.Request) -> str | None:
    action = request.url.params.get("action", "")
    # What keeps the catalog fresh has no part in it.
    return None if action == "get_events" else f"request {action}"


# What is done


async def copy(desk: Desk, steps: Steps, task: str) -> None:
    """Two files into a task, one of them saved over at once, and a directory with a file."""
    await put(desk, steps, f"{task}/a.txt")
    await put(desk, steps, f"{task}/b.txt")
    await desk.mkdir(f"{task}/Plans")
    await desk.mkdir(f"{task}/Plans/Inner")
    await put(desk, steps, f"{task}/Plans/Inner/c.txt")
    steps.say("flush")
    await desk.flush()


async def drop(desk: Desk, steps: Steps, task: str) -> None:
    """Onto a project, twice."""
    project = task.rpartition("/")[0]
    for name in ("a.txt", "b.txt"):
        await put(desk, steps, f"{project}/{name}")
        steps.say("flush")
        await desk.flush()


async def save_meanwhile(desk: Desk, steps: Steps, task: str) -> None:
    """A file is saved over while it is sent."""
    await put(desk, steps, f"{task}/a.txt")
    await put(desk, steps, f"{task}/b.txt")
    steps.say("flush")
    inode = (await desk.node(f"{task}/a.txt")).inode
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.flush)
        while desk.spool.nodes[inode].state is not State.SENDING:
            await trio.lowlevel.checkpoint()
        steps.say(f"withdrawn {task}/a")
        handle = desk.drive.open(inode, harness.ME, write=True)
        await desk.spool.truncate(inode, 0)
        await desk.put(handle, b"a new version of a.txt")
        await desk.close(handle)
        steps.say(f"promised {task}/a.txt a new version of a.txt")
        nursery.cancel_scope.cancel()
    await desk.flush()


async def version(desk: Desk, steps: Steps, task: str) -> None:
    """What is on the server is saved over: in place, and by renaming."""
    path = f"{task}/a.txt"
    await put(desk, steps, path)
    await desk.flush()
    handle = await desk.namespace.open((await desk.node(path)).inode, harness.ME, readable=True)
    await desk.put(handle, b"a new version of a.txt")
    await desk.close(handle)
    steps.say(f"promised {path} a new version of a.txt")
    steps.say("flush")
    await desk.flush()
    await desk.write(f"{task}/x.tmp", b"content of c.txt")
    await desk.rename(f"{task}/x.tmp", path)
    steps.say(f"promised {path} content of c.txt")
    steps.say("flush")
    await desk.flush()


async def put(desk: Desk, steps: Steps, path: str) -> None:
    """As cp; says what it was promised once the close has returned."""
    name = path.rpartition("/")[2]
    # One of the three is no small content, so that it is a file of the spool.
    content = f"content of {name}" + " and more" * (SMALL // 8 if name == "b.txt" else 0)
    await desk.write(path, content.encode())
    steps.say(f"promised {path} {content}")


async def recover(desk: Desk, steps: Steps, task: str) -> None:
    """The next start: everything that was promised arrives, and is shown once in its place."""
    await desk.node(task)  # a mount reads the tree, where it doesn't know it
    await desk.flush()
    await desk.catalog.refresh(None)  # and polls
    await desk.flush()
    for place in desk.sender.status()["destinations"]:
        for file in place["files"]:
            if file["state"] != "interrupted":
                steps.say(f"left {file}")
    for record in desk.spool.batches.values():
        steps.say(f"left {record}")
    project = task.rpartition("/")[0]
    for folder in (project, task, f"{task}/Plans", f"{task}/Plans/Inner"):
        try:
            for owner in desk.tree.owners_in(desk.drive.directory((await desk.node(folder)).inode)):
                await desk.catalog.refresh(owner)
            names = await desk.names(folder)
        except NoSuchName:
            continue
        for name in names:
            path = f"{folder}/{name}"
            if isinstance(node := await desk.node(path), File) and node.kind is Kind.ATTACHMENT:
                steps.say(f"shown {path} {(await desk.read(path)).decode()}")
    steps.say("whole")


WORK: dict[str, Callable[[Desk, Steps, str], Awaitable[None]]] = {
    "copy": copy,
    "drop": drop,
    "save meanwhile": save_meanwhile,
    "version": version,
    "recover": recover,
}


async def _run(said: dict[str, Any], steps: Steps) -> None:
    service = cast(Emulator, _Address(said["url"], said["api_key"]))
    with trio.fail_after(30):
        setup = Setup(uploads=OPTIONS, versions=True)
        async with harness.mounted(service, Path(said["directory"]), setup) as desk:
            await WORK[said["work"]](desk, steps, said["task"])


class _Address:
    """An emulator that runs elsewhere."""

    def __init__(self, url: str, api_key: str) -> None:
        self.url = url
        self.api_key = api_key


def _child(said: dict[str, Any]) -> int:
    stop = said.get("stop")
    steps = Steps(Path(said["words"]), (stop[0], stop[1]) if stop else None)
    try:
        steps.install()
        trio.run(_run, said, steps)
    except BaseException:  # noqa: BLE001 - it is said, and the process ends
        steps.say("failed " + traceback.format_exc().replace("\n", " | "))
        return 1
    return 0


def main() -> None:
    """Do what each line says: answer with how its process ended."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            os._exit(_child(json.loads(line)))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
