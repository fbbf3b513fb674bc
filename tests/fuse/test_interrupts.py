"""A program that waits is let go once it is told to end, and only then."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyfuse3
import pytest
import trio

from wsfs.fuse import interrupts
from wsfs.fuse.interrupts import interruptible, is_told_to_end

#: A program that stops, so that a signal waits for it, as for one that is kept by the kernel.
_SCRIPT = "import signal, sys, os; {}; print(flush=True); os.kill(os.getpid(), signal.SIGSTOP)"


def stopped(*, setup: str = "pass") -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-S", "-c", _SCRIPT.format(setup)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    until = time.monotonic() + 10
    while ") T" not in Path(f"/proc/{process.pid}/stat").read_text():
        assert time.monotonic() < until
        time.sleep(0.01)
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_program_that_is_told_to_end(number: signal.Signals) -> None:
    process = stopped(setup=f"signal.signal({int(number)}, lambda *_: None)")
    try:
        assert not is_told_to_end(process.pid)
        process.send_signal(number)
        assert is_told_to_end(process.pid)
    finally:
        end(process)
    assert not is_told_to_end(process.pid), "there is none of that number any more"


@pytest.mark.parametrize(
    ("setup", "number"),
    [
        ("signal.signal(signal.SIGINT, signal.SIG_IGN)", signal.SIGINT),
        ("signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})", signal.SIGINT),
        ("signal.signal(signal.SIGUSR1, lambda *_: None)", signal.SIGUSR1),
        ("signal.signal(signal.SIGALRM, lambda *_: None)", signal.SIGALRM),
    ],
)
def test_what_tells_no_program_to_end(setup: str, number: signal.Signals) -> None:
    process = stopped(setup=setup)
    try:
        process.send_signal(number)
        assert not is_told_to_end(process.pid)
    finally:
        end(process)


async def test_the_block_is_let_go(autojump_clock: object, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = trio.current_time()
    monkeypatch.setattr(interrupts, "is_told_to_end", lambda pid: trio.current_time() - begin >= 5)
    with pytest.raises(pyfuse3.FUSEError) as error:
        async with interruptible(4711):
            await trio.sleep(60)
    assert error.value.errno == errno.EINTR
    assert trio.current_time() - begin <= 5 + interrupts.LOOK_EVERY


async def test_what_is_done_by_then_is_done(autojump_clock: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "is_told_to_end", lambda pid: True)
    done = []
    async with interruptible(4711):
        done.append(1)
    async with interruptible(4711):
        with trio.CancelScope(shield=True):
            await trio.sleep(1)
        done.append(2)
    assert done == [1, 2]


async def test_what_it_raises_comes_as_it_is(autojump_clock: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "is_told_to_end", lambda pid: True)
    with pytest.raises(KeyError):
        async with interruptible(4711):
            raise KeyError("x")
    with pytest.raises(KeyError):
        async with interruptible(4711):
            try:
                await trio.sleep(1)
            finally:
                raise KeyError("y")


async def test_a_cancellation_from_outside_passes(autojump_clock: object) -> None:
    with trio.move_on_after(1) as scope:
        async with interruptible(0):
            await trio.sleep_forever()
    assert scope.cancelled_caught
