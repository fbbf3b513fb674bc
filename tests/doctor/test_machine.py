from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from wsfs.doctor import State, bad, machine
from wsfs.doctor.findings import Finding


def ends(text: str | None) -> Callable[[list[str]], str | None]:
    """A way to run programs by which each prints `text`, or fails."""
    return lambda command: text


def test_what_is_bad_has_a_cure() -> None:
    with pytest.raises(AssertionError):
        bad("a", "b", "")


def test_the_device_can_be_opened_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "fuse"
    missing = machine.check_device(device)
    assert missing.state is State.BAD
    assert "modprobe fuse" in missing.cure
    device.touch()
    assert machine.check_device(device).state is State.GOOD
    assert machine.check_device(tmp_path).state is State.BAD  # a directory can't

    def refuse(path: Path, flags: int) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    denied = machine.check_device(device)
    assert (denied.state, f"chmod 666 {device}" in denied.cure) == (State.BAD, True)


def test_the_helper_has_to_be_root_s_with_the_setuid_bit(tmp_path: Path) -> None:
    helper = tmp_path / "fusermount3"
    helper.touch()
    assert "apt install fuse3" in machine.check_helper(lambda name: None, root=False).cure
    assert machine.check_helper(lambda name: str(helper), root=True).state is State.GOOD
    helper.chmod(0o755)
    plain = machine.check_helper(lambda name: str(helper), root=False)
    assert (plain.state, "chmod 4755" in plain.cure) == (State.BAD, True)
    helper.chmod(0o4755)
    if os.geteuid() == 0:
        assert machine.check_helper(lambda name: str(helper), root=False).state is State.GOOD
        os.chown(helper, 1000, -1)
        helper.chmod(0o4755)
    assert machine.check_helper(lambda name: str(helper), root=False).state is State.BAD


def test_other_users_may_be_let_in_where_the_system_permits_it(tmp_path: Path) -> None:
    conf = tmp_path / "fuse.conf"

    def check(wanted: bool, *, root: bool = False) -> State:
        return machine.check_allow_other(wanted, conf, root=root).state

    assert (check(True), check(False), check(True, root=True)) == (State.BAD, State.GOOD, State.GOOD)
    conf.write_text("#user_allow_other\n")
    assert check(True) is State.BAD
    conf.write_text("  user_allow_other  \n")
    assert check(True) is State.GOOD


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("fusermount3 version: 3.14.0\n", State.GOOD),
        ("fusermount3 version: 3.1.9\n", State.BAD),
        ("fusermount3 version: 3.2.0\n", State.GOOD),
        ("nonsense", State.NOTE),
        (None, State.NOTE),
    ],
)
def test_how_old_libfuse_is(said: str | None, state: State) -> None:
    assert machine.check_libfuse(ends(said)).state is state


@pytest.mark.parametrize(
    ("release", "state"),
    [
        ("6.1.0-18-amd64", State.GOOD),
        ("4.20.0", State.GOOD),
        ("4.19.0-26", State.NOTE),
        ("strange", State.GOOD),
    ],
)
def test_how_old_the_kernel_is(release: str, state: State) -> None:
    assert machine.check_kernel(release).state is state


def test_the_kernel_s_limits_can_be_raised_where_fusectl_is_mounted(tmp_path: Path) -> None:
    assert machine.check_fusectl(False, tmp_path).state is State.GOOD
    assert machine.check_fusectl(True, tmp_path).state is State.NOTE
    (tmp_path / "42").mkdir()
    assert machine.check_fusectl(True, tmp_path).state is State.GOOD


def libraries(versions: dict[str, str], wanted: list[str] | None) -> Finding:
    def version(name: str) -> str:
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    def requires(name: str) -> list[str] | None:
        if wanted is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return wanted

    (finding,) = machine.check_python(version, requires)
    return finding


def test_the_libraries_are_those_that_wsfs_names() -> None:
    wanted = ["trio>=0.24", "httpx[http2] >= 0.27", 'hypothesis>=6; extra == "dev"']
    assert libraries({"trio": "0.24", "httpx": "0.28.1"}, wanted).state is State.GOOD
    old = libraries({"trio": "0.9.1", "httpx": "0.28.1"}, wanted)
    assert (old.state, old.said) == (State.BAD, "trio 0.9.1 is older than 0.24")
    missing = libraries({"trio": "1.0"}, wanted)
    assert (missing.state, missing.said) == (State.BAD, "httpx is missing")
    assert libraries({}, None).state is State.NOTE


def test_the_libraries_of_this_installation_are_found() -> None:
    (finding,) = machine.check_python()
    assert finding.state is State.GOOD


def test_the_binding_can_be_loaded_or_not() -> None:
    assert machine.check_binding(ends("")).state is State.GOOD
    assert "apt install fuse3" in machine.check_binding(ends(None)).cure


def test_programs_are_run_and_their_failure_is_none() -> None:
    assert machine.output(["sh", "-c", "echo a; echo b >&2"]) == "a\nb\n"
    assert machine.output(["false"]) is None
    assert machine.output(["no-such-program-anywhere"]) is None
