"""Whether uploads lose or double anything: writers on a real mount that is killed again and again, while the
service fails at random. `scripts/torture uploads` runs it.

At the end every content whose close had returned is on the server exactly once, and nothing else is: no other
content of ours, none twice, none in part. The choices follow from the seed; when a kill strikes, and what it
meets, is up to the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import json
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import trio

from wsfs.api.auth import AdminKey
from wsfs.api.client import Client
from wsfs.api.models import Task
from wsfs.api.pacing import Lane, Pacer
from wsfs.emulator.contents import Noise
from wsfs.emulator.testing import Process, running_process

from .drives import Mount, eventually, is_attachment, node_id, watchdog
from .hurried import LOOK_AGAIN
from .writers import Deed, Folder, Writer

OPTIONS = "crawl=no,prefetch=no,poll=3600,settle=0.2,hold_tasks=100000,deadline=2,drain=2"
PROGRAM = Path(__file__).with_name("hurried.py")
FATES = (
    *("lost-reply", f"late-commit:{LOOK_AGAIN / 4}", "reset:post_*", "500:post_*", "garbage:post_*"),
    *("hang:post_*", "truncate:post_*", "reset-body:post_*", "stall:post_*"),
    *("429", "429-json", "429-retry-after:1", "500:get_*", "reset:get_*", "garbage:get_*", "hang:get_*"),
    *("reset:download", "truncate:download"),
)
SHAPES = ("rename", "rival", "max-files:2", "max-files:5", "delay:0.2:post_*", "slow-upload:200000")
CHECK_EVERY = 25
WRITERS = 3
DRAIN_SECONDS = 240.0
BACK_SECONDS = 60.0
ROUND_SECONDS = 300.0


@dataclasses.dataclass
class Report:
    """What a run was, and what came of it."""

    seed: int
    rounds: int = 0
    kills: int = 0
    cut: int = 0
    promised: int = 0
    arrived: int = 0
    posts: int = 0
    tasks: int = 0
    seconds: float = 0.0
    faults: Counter[str] = dataclasses.field(default_factory=Counter)
    errors: Counter[str] = dataclasses.field(default_factory=Counter)
    wrong: list[str] = dataclasses.field(default_factory=list)

    def __str__(self) -> str:
        struck = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()) if count)
        return (
            f"{self.rounds} rounds with seed {self.seed} in {self.seconds:.0f} s: {self.kills} kills "
            f"({self.cut} hung in the kernel), "
            f"{self.promised} contents promised, {self.arrived} on the server, {self.posts} posts, "
            f"{self.tasks} tasks made, {len(self.wrong)} wrong; faults that struck: {struck or 'none'}"
        )


class Torture:
    """Rounds on one account, whose spool and server live through all of them."""

    def __init__(
        self, service: Process, scratch: Path, seed: int, say: Callable[[str], None] = lambda line: None
    ) -> None:
        self._service = service
        self._scratch = scratch
        self._say = say
        self._random = random.Random(seed)
        self._mount: Mount | None = None
        self._alarms: list[str] = []
        self._deeds: list[Deed] = []
        self._made: list[Folder] = []
        self._before = {file["id"] for file in service.files(sha256=False)}
        self._tasks_before = set(tasks_of(service))
        self._seen = 0.0
        self._checked = 0
        self._folders: list[str] = []
        self.report = Report(seed)

    def run(self, rounds: int) -> Report:
        """Torture it; `wrong` of the report says what went wrong, a sentence each."""
        begin = time.monotonic()
        with watchdog(self._live, ROUND_SECONDS * (rounds + 1)), self._ended():
            self._folders = self._look()
            for number in range(1, rounds + 1):
                self._round(number)
                if number % CHECK_EVERY == 0 or number == rounds:
                    self._drain()
                    self._check(everything=number == rounds)
                    self.report.seconds = time.monotonic() - begin
                    self._say(str(self.report))
                if self.report.wrong:
                    break
        self.report.seconds = time.monotonic() - begin
        return self.report

    # One round

    def _round(self, number: int) -> None:
        with watchdog(self._live, ROUND_SECONDS):
            self._arm()
            mount = self._started()
            picked = self._random.sample(self._folders, min(4, len(self._folders)))
            seeds = [f"{self.report.seed}/{number}/{index}" for index in range(WRITERS)]
            writers = [
                Writer(mount.place, list(picked), f"{number}-{index}", seed)
                for index, seed in enumerate(seeds)
            ]
            for writer in writers:
                writer.start()
            time.sleep(self._random.choice((0.1, 0.5, 2.5)) * self._random.random())
            how = self._random.choices(("kill", "end", "go on"), (8, 1, 2))[0]
            if how == "kill":
                self._kill()
            elif how == "end":
                self._end()
            for writer in writers:
                writer.end()
            for writer in writers:
                writer.join()
                self.report.errors += writer.errors
                self._deeds += writer.deeds
                self._made += writer.made
                # In one that may not be there nobody can go on.
                self._folders += [folder.path for folder in writer.made if folder.made]
            if how != "go on":
                mount.clear()
            elif self._random.random() < 0.5:
                time.sleep(self._random.random())
            if self._random.random() < 0.6:
                self._clear_faults()
            self.report.rounds += 1
        self.report.promised = sum(deed.must for deed in self._deeds)

    def _arm(self) -> None:
        """Some faults; at times none."""
        armed: list[dict[str, Any]] = []
        for kinds, most in ((FATES, 3), (SHAPES, 2)):
            for kind in self._random.sample(kinds, self._random.randint(0, most)):
                name, *rest = kind.split(":")
                fault: dict[str, Any] = {"name": name}
                if rest and rest[0][:1].isdigit():
                    fault["value"] = float(rest.pop(0))
                if rest:
                    fault["action"] = rest[0]
                if self._random.random() < 0.6:
                    fault["count"] = self._random.randint(1, 3)
                else:
                    fault["share"] = self._random.choice((0.2, 0.5))
                armed.append(fault)
        self._random.shuffle(armed)
        self._service.arm(*armed)

    def _clear_faults(self) -> None:
        for fault in self._service.faults():
            self.report.faults[fault["name"]] += fault["strikes"]
        self._service.clear_faults()

    # The mount

    def _live(self) -> list[Mount]:
        return [] if self._mount is None else [self._mount]

    def _started(self) -> Mount:
        """A mount that serves; at times one before it was killed while it started."""
        while self._mount is None:
            self._mount = Mount(
                self._scratch, self._service.url, self._service.api_key, options=OPTIONS, program=PROGRAM
            )
            if self._folders and self._random.random() < 0.15:
                time.sleep(self._random.random())
                self._kill().clear()
        self._mount.wait_ready()
        return self._mount

    def _kill(self) -> Mount:
        mount = self._mount
        assert mount is not None
        mount.kill()
        self.report.kills += 1
        self.report.cut += mount.cut
        self._gone(mount)
        return mount

    def _end(self) -> None:
        mount = self._mount
        if mount is not None:
            code = mount.stop()
            if code:
                self._alarms.append(f"the mount ended with {code}")
            self._gone(mount)

    def _gone(self, mount: Mount) -> None:
        self._alarms += mount.unexpected(_to_be_expected)
        self._mount = None

    @contextlib.contextmanager
    def _ended(self) -> Iterator[None]:
        try:
            yield
        finally:
            mount = self._mount
            self._service.clear_faults()
            if mount is not None:
                self._end()
                mount.clear()

    # What it comes to

    def _look(self) -> list[str]:
        """The directories that files can be put into."""
        place = self._started().place
        return [str(path.relative_to(place)) for path in sorted(place.rglob("*")) if path.is_dir()]

    def _drain(self) -> None:
        """Let everything arrive, without faults."""
        self._clear_faults()
        mount = self._started()

        def left(*states: str) -> list[dict[str, Any]]:
            files: list[dict[str, Any]] = mount.ask("uploads")["files"]
            return [file for file in files if file["state"] not in states]

        with contextlib.suppress(AssertionError):
            eventually(lambda: not left("interrupted", "quarantined"), "everything is sent", DRAIN_SECONDS)
        self.report.wrong += [f"it isn't sent: {json.dumps(file)}" for file in left("interrupted")[:20]]
        self._count_requests()

    def _count_requests(self) -> None:
        latest = self._service.requests()
        fresh = [one for one in latest if one["time"] > self._seen]
        self.report.posts += sum(str(one["action"]).startswith("post_") for one in fresh)
        self._seen = max(one["time"] for one in latest)

    def _check(self, *, everything: bool) -> None:
        """Compare the server, and the drive, with what was promised."""
        mount = self._started()
        files = [file for file in self._service.files() if file["id"] not in self._before]
        deeds = {deed.sha256: deed for deed in self._deeds}
        arrived = Counter(file["sha256"] for file in files)
        wrong = self.report.wrong
        for deed in self._deeds:
            count = arrived[deed.sha256]
            if count > 1 or (deed.must and not count) or (count and not deed.may):
                wrong.append(f"{count} times on the server: {deed}")
        sizes = {deed.size for deed in self._deeds}
        for file in files:
            if file["sha256"] not in deeds and not (file["size"] in sizes and is_rival(file)):
                wrong.append(f"nobody put this there: {file}")
        self.report.arrived = sum(count for sha256, count in arrived.items() if sha256 in deeds)
        self._check_tasks()
        begin = 0 if everything else self._checked
        sums = {file["id"]: file["sha256"] for file in files}
        for deed in self._deeds[begin:]:
            if deed.must:
                wrong += self._misread(mount.place, deed, sums)
        self._checked = len(self._deeds)
        wrong += [f"in the log: {alarm}" for alarm in self._alarms + mount.unexpected(_to_be_expected)]
        self._alarms.clear()

    def _misread(self, place: Path, deed: Deed, sums: dict[int, str]) -> Iterator[str]:
        """What is wrong with the file as the drive shows it."""
        found = self._found(place, deed)
        if deed.plain and len(found) != 1:
            shown = sorted(path.name for path in (place / deed.folder).iterdir())
            yield f"{len(found)} of it are shown: {deed}, while {self._mode()} there is {shown}"
        for path in found:
            here = hashlib.sha256(path.read_bytes()).hexdigest()
            there = sums.get(node_id(path)) if is_attachment(path) else None
            if here != there or (deed.plain and here != deed.sha256):
                yield f"{path} reads as {here}, on the server it is {there}: {deed}"

    def _found(self, place: Path, deed: Deed) -> list[Path]:
        """Where it is shown; a mount that takes the service for gone, as after the last faults, shows what it knows."""
        limit = time.monotonic() + BACK_SECONDS
        while True:
            found = [path for name in deed.names if (path := place / deed.folder / name).exists()]
            if found or self._mode() != "offline" or time.monotonic() > limit:
                return found
            time.sleep(0.1)

    def _mode(self) -> str:
        assert self._mount is not None
        return str(self._mount.ask("status")["account_known"]["mode"])

    def _check_tasks(self) -> None:
        tasks = {id: name for id, name in tasks_of(self._service).items() if id not in self._tasks_before}
        self.report.tasks = len(tasks)
        titles = Counter(tasks.values())
        promised = {deed.folder for deed in self._deeds if deed.must}
        for folder in self._made:
            count = titles.pop(Path(folder.path).name, 0)
            if count > 1 or (not count and folder.path in promised):
                self.report.wrong.append(f"{count} tasks are made of {folder}")
        drops = titles.pop("Project files", 0)
        if titles or drops > len([folder for folder in self._folders if "/" not in folder]):
            self.report.wrong.append(f"nobody wanted these tasks: {titles}, {drops} drop tasks")


def tasks_of(service: Process) -> dict[int, str]:
    """Every task of the account, and its title."""

    async def ask() -> list[Task]:
        async with Client(service.url, AdminKey(service.api_key), Pacer(0)) as client:
            return await client.get_all_tasks(lane=Lane.PERSON, extra=("subtasks",))

    found: dict[int, str] = {}
    ahead = trio.run(ask)
    while ahead:
        task = ahead.pop()
        found[task.id] = task.name
        ahead += task.child
    return found


def is_rival(file: dict[str, Any]) -> bool:
    """Whether it is what the fault "rival" attaches: its content follows from its size and its place in a post."""
    contents = (Noise(number, file["size"]).read(0, file["size"]) for number in range(1, 101))
    return any(hashlib.sha256(content).hexdigest() == file["sha256"] for content in contents)


def _to_be_expected(line: str) -> bool:
    """What a mount may complain of where the service fails."""
    return False


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/torture uploads", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument(
        "--keep", action="store_true", help="leave what it worked on, also where nothing is wrong"
    )
    chosen = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if chosen.seed is None else chosen.seed
    scratch = Path(tempfile.mkdtemp(prefix="wsfs-torture-"))
    print(f"seed {seed}", flush=True)
    keep = True  # also what an exception ended
    with running_process("--scale", "2,3,1") as service:
        try:
            report = Torture(service, scratch, seed, lambda line: print(line, flush=True)).run(chosen.rounds)
            keep = chosen.keep or bool(report.wrong)
        finally:
            if keep:
                kept = {"requests": service.requests(), "files": service.files()}
                (scratch / "service.json").write_text(json.dumps(kept, indent=1))
                print(f"kept: {scratch}")
    for sentence in report.wrong:
        print(sentence)
    print(f"errors that programs saw: {dict(report.errors)}")
    if not keep:
        shutil.rmtree(scratch)
    raise SystemExit(1 if report.wrong else 0)


if __name__ == "__main__":
    main()
