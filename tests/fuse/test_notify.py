"""Telling the kernel: what is handed over, what is kept back, and what doesn't hold the rest up."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pyfuse3
import pytest
import trio
import trio.testing

from wsfs.fuse.notify import DATES_WAIT, Notifier
from wsfs.tree.layout import Changes


class Kernel:
    """What pyfuse3 hands to the kernel; an invalidation of a name in `stuck` waits as for a directory's lock."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, bytes]] = []
        self.inodes: list[tuple[int, bool]] = []
        self.threads: set[int] = set()
        self.stuck: dict[int, threading.Event] = {}
        self.errors: dict[bytes | int, int] = {}

    def invalidate_entry(self, inode: int, name: bytes, deleted: int = 0) -> None:
        self.threads.add(threading.get_ident())
        if inode in self.stuck:
            self.stuck[inode].wait(20)
        self.entries.append((inode, name))
        if name in self.errors:
            raise OSError(self.errors[name], "no")

    def invalidate_inode(self, inode: int, attr_only: bool = False) -> None:
        self.threads.add(threading.get_ident())
        self.inodes.append((inode, attr_only))
        if inode in self.errors:
            raise OSError(self.errors[inode], "no")


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    kernel = Kernel()
    monkeypatch.setattr(pyfuse3, "invalidate_entry", kernel.invalidate_entry)
    monkeypatch.setattr(pyfuse3, "invalidate_inode", kernel.invalidate_inode)
    yield kernel
    for event in kernel.stuck.values():
        event.set()


@pytest.fixture
async def notifier(kernel: Kernel) -> AsyncIterator[Notifier]:
    notifier = Notifier()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(notifier.run)
        yield notifier
        nursery.cancel_scope.cancel()


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(10):
        while not condition():  # noqa: ASYNC110 - threads tell no trio event
            await trio.sleep(0.005)


async def by_threads(condition: Callable[[], object]) -> None:
    """As `until`, by the machine's clock, while trio's stands still."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.001)  # noqa: ASYNC251 - trio's clock is to stand still
        await trio.lowlevel.checkpoint()


async def test_names_and_inodes_are_handed_over_in_threads(kernel: Kernel, notifier: Notifier) -> None:
    notifier.tell(Changes({(5, "звіт.pdf"), (6, "a")}, {7}))
    notifier.tell(Changes({(6, "b")}))
    await until(lambda: len(kernel.entries) == 3 and kernel.inodes)
    assert set(kernel.entries) == {(5, "звіт.pdf".encode()), (6, b"a"), (6, b"b")}
    assert kernel.inodes == [(7, True)], "what is in the page cache never changes"
    assert threading.get_ident() not in kernel.threads


async def test_names_are_kept_back_while_a_handler_waits_in_their_directory(
    kernel: Kernel, notifier: Notifier
) -> None:
    with notifier.waits_in(5), notifier.waits_in(5, 6):
        notifier.tell(Changes({(5, "kept"), (6, "kept too"), (7, "free")}, {5}))
        await until(lambda: kernel.entries and kernel.inodes)
        await trio.sleep(0.02)
        assert kernel.entries == [(7, b"free")]
        assert kernel.inodes == [(5, True)], "an inode's attributes wait for nobody"
    await until(lambda: len(kernel.entries) == 3)
    assert set(kernel.entries[1:]) == {(5, b"kept"), (6, b"kept too")}


async def test_two_who_wait_in_one_directory(kernel: Kernel, notifier: Notifier) -> None:
    with notifier.waits_in(5):
        with notifier.waits_in(5, 5):
            notifier.tell(Changes({(5, "a")}))
        await trio.sleep(0.03)
        assert not kernel.entries, "one still waits"
    await until(lambda: kernel.entries)


async def test_a_busy_directory_holds_no_other_up(kernel: Kernel, notifier: Notifier) -> None:
    kernel.stuck[5] = threading.Event()
    notifier.tell(Changes({(5, "stuck")}))
    await until(lambda: kernel.threads)
    for number in range(20):
        notifier.tell(Changes({(5, f"behind {number}"), (100 + number, "free")}))
        await trio.lowlevel.checkpoint()
    await until(lambda: len(kernel.entries) == 20)
    assert {inode for inode, _ in kernel.entries} == set(range(100, 120))
    kernel.stuck.pop(5).set()
    await until(lambda: len(kernel.entries) == 41)


async def test_what_the_kernel_does_not_hold_is_no_news_and_ends_nothing(
    kernel: Kernel, notifier: Notifier, caplog: pytest.LogCaptureFixture
) -> None:
    kernel.errors = {b"gone": errno.ENOENT, 7: errno.ENOENT, b"odd": errno.EIO}
    notifier.tell(Changes({(5, "gone"), (6, "odd")}, {7, 8}))
    await until(lambda: len(kernel.entries) == 2 and len(kernel.inodes) == 2)
    notifier.tell(Changes({(5, "next")}))
    await until(lambda: (5, b"next") in kernel.entries)


async def test_a_thread_that_hangs_in_the_kernel_is_left_behind(kernel: Kernel) -> None:
    kernel.stuck[5] = threading.Event()
    notifier = Notifier()
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(notifier.run)
            notifier.tell(Changes({(5, "stuck")}))
            await until(lambda: kernel.threads)
            nursery.cancel_scope.cancel()


async def test_times_alone_are_told_a_moment_later_and_together(
    kernel: Kernel, autojump_clock: trio.testing.MockClock
) -> None:
    notifier = Notifier()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(notifier.run)
        begun = trio.current_time()
        for _ in range(100):
            notifier.tell_dates({5})
            notifier.tell_dates({6})
            await trio.sleep(DATES_WAIT / 200)
        assert kernel.inodes == []
        notifier.tell(Changes({(5, "a")}))
        await by_threads(lambda: kernel.entries)
        assert kernel.inodes == [], "what else is told doesn't wait, and doesn't hasten it"
        await trio.sleep_until(begun + DATES_WAIT + 0.001)
        await by_threads(lambda: len(kernel.inodes) == 2)
        assert set(kernel.inodes) == {(5, True), (6, True)}
        await trio.sleep(5)
        assert len(kernel.inodes) == 2
        nursery.cancel_scope.cancel()
