"""The connection is cut where a thread hangs in the kernel, and nowhere else."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ExpectedWarnings
from wsfs.fuse import connection

DEVICE = os.makedev(0, 41)


class Kernel:
    """A pipe stands for /dev/fuse: the end of its writer for that of the mount."""

    def __init__(self, connections: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.connections = connections
        self.switch = connections / "41" / "abort"
        self.switch.parent.mkdir(parents=True)
        self.switch.touch()
        self.fuse, self.mount = os.pipe()
        self.ended = False
        monkeypatch.setattr(connection, "ENOUGH", 0.02)
        monkeypatch.setattr(connection, "_duplicate", lambda: os.dup(self.fuse))

    def unmount(self) -> None:
        self.ended = True

    def close(self, *looks: bool) -> str:
        """End the mount, with a thread in the kernel at each of these looks, the last for ever; what was written."""
        left = list(looks)
        connection.close(
            DEVICE,
            lambda: left.pop(0) if len(left) > 1 else left[0],
            self.unmount,
            connections=self.connections,
        )
        assert self.ended
        return self.switch.read_text() if self.switch.exists() else ""


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    kernel = Kernel(tmp_path, monkeypatch)
    yield kernel
    for descriptor in (kernel.fuse, kernel.mount):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def test_a_mount_that_holds_nothing_up_is_only_unmounted(kernel: Kernel) -> None:
    assert kernel.close(False) == ""


def test_a_thread_that_comes_back_in_a_moment_is_waited_for(kernel: Kernel) -> None:
    assert kernel.close(True, True, False) == ""


def test_one_that_hangs_has_the_connection_cut_after_the_unmount(kernel: Kernel) -> None:
    assert kernel.close(True) == "1"


def test_a_mount_that_has_gone_is_left_alone_for_its_number_may_be_anothers(kernel: Kernel) -> None:
    os.close(kernel.mount)
    assert kernel.close(True) == ""


def test_without_the_switch_it_is_said_what_frees_the_program(
    kernel: Kernel, expected_warnings: ExpectedWarnings, caplog: pytest.LogCaptureFixture
) -> None:
    expected_warnings.expect("A program waits for the drive that has ended")
    kernel.switch.unlink()
    kernel.switch.parent.rmdir()
    assert kernel.close(True) == ""
    assert "as root, mount fusectl at" in caplog.text


def test_without_a_mount_there_is_nothing_to_cut(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_duplicate", lambda: None)
    assert kernel.close(True) == ""
