"""What is handed out: a source archive and a wheel with all that belongs to them, which work where nothing else is."""

from __future__ import annotations

import configparser
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import click
import pytest
import trio
import trio.testing
from packaging.requirements import Requirement

from tests.conftest import leave_out
from tests.mounted.drives import run
from tests.mounted.terminal import at_terminal
from tests.uploads.fakes import World
from wsfs import __version__, mountinfo
from wsfs.cli import COMMANDS
from wsfs.cli import main as group
from wsfs.config import OPTIONS
from wsfs.uploads.contents import SMALL

ROOT = Path(__file__).parent.parent


def tracked(*paths: str) -> set[str]:
    """The files that are there and that git doesn't ignore, by their paths from the root."""
    command: tuple[str | Path, ...] = (
        "git",
        "-C",
        ROOT,
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        "--",
        *paths,
    )
    return {name for name in run(*command).out.split("\0") if name and (ROOT / name).exists()}


# Wheel and source archive


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a source archive, and the wheel that was built from that."""
    place = tmp_path_factory.mktemp("dist")
    run(ROOT / "scripts" / "build", env={"DIST": str(place)}, seconds=300)
    return place


@pytest.fixture(scope="module")
def wheel(made: Path) -> Path:
    [path] = made.glob("wsfs-*.whl")
    return path


def test_the_source_archive_holds_all_that_is_needed_to_build_and_test(made: Path) -> None:
    [path] = made.glob("wsfs-*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert tracked() - {".gitignore", ".ci/run"} <= names
    assert not [name for name in names if "__pycache__" in name]


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(f"wsfs-{__version__}.dist-info/METADATA").decode()
    ours = {name for name in names if not name.startswith(f"wsfs-{__version__}.dist-info/")}
    assert ours == tracked("wsfs")
    assert f"\nVersion: {__version__}\n" in metadata
    assert "# wsfs" in metadata


_EVERY_COMMAND = """
import click
from wsfs.cli import COMMANDS, main
for name in COMMANDS:
    command = main.get_command(click.Context(main), name)
    assert command is not None and command.get_short_help_str(), name
"""


def test_in_a_clean_environment_it_runs_and_shows_the_demo(wheel: Path, tmp_path: Path) -> None:
    clean = tmp_path / "clean"
    run(sys.executable, "-m", "venv", "--without-pip", clean)  # which takes as long as all the rest
    pip = (sys.executable, "-m", "pip", "--python", str(clean / "bin" / "python"), "--quiet")
    install = (*pip, "install", "--disable-pip-version-check")
    wsfs = clean / "bin" / "wsfs"
    environment = {"HOME": str(tmp_path), "PYTHONPATH": "", "PYTHONWARNINGS": "error::SyntaxWarning"}

    run(*install, wheel, seconds=300)
    assert run(wsfs, "--version", env=environment).out == f"wsfs {__version__}\n"
    run(clean / "bin" / "python", "-P", "-c", _EVERY_COMMAND, env=environment, cwd=tmp_path)
    without = run(wsfs, "demo", env=environment, cwd=tmp_path, ok=False)
    assert without.code == 1
    assert not (tmp_path / "Worksection").exists()

    run(*install, f"{wheel}[demo]", seconds=300)
    leave_out(None if Path("/dev/fuse").exists() else "/dev/fuse is missing")
    demo = subprocess.Popen(
        [wsfs, "demo"],
        cwd=tmp_path,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until = time.monotonic() + 60
        while mountinfo.find(tmp_path / "Worksection") is None:
            assert demo.poll() is None, demo.communicate()
            assert time.monotonic() < until
            time.sleep(0.1)
        projects = run("ls", tmp_path / "Worksection").lines
        assert len(projects) > 3
    finally:
        demo.send_signal(signal.SIGINT)
        said, errors = demo.communicate(timeout=60)
    assert demo.returncode == 0
    assert said.endswith("Unmounted; the demo is over.\n")
    assert errors == ""
    assert not (tmp_path / "Worksection").exists()


# What the .deb adds; scripts/build deb takes minutes, and packaging/try-deb installs one in a clean system


def test_every_command_has_its_start_in_the_deb() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    scripts = settings["options.entry_points"]["console_scripts"].split("\n")
    rules = (ROOT / "packaging" / "debian" / "rules").read_text()
    for script in filter(None, scripts):
        name, _, target = script.partition(" = ")
        module, _, function = target.partition(":")
        start = (ROOT / "packaging" / name).read_text()
        assert start.startswith("#!/usr/lib/wsfs/bin/python3 -I\n")
        assert f"from {module} import {function}\n" in start
        assert f"packaging/{name}" in rules


def test_the_libraries_of_the_deb_are_all_that_is_needed_and_no_older() -> None:
    """packaging/requirements.txt is brought up to date by `scripts/build pins`."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    wanted = settings["options"]["install_requires"] + settings["options.extras_require"]["demo"]
    pinned = dict(
        re.findall(
            r"^([a-z0-9._-]+)==(\S+)", (ROOT / "packaging" / "requirements.txt").read_text(), re.MULTILINE
        )
    )
    for line in filter(None, wanted.split("\n")):
        requirement = Requirement(line)
        assert requirement.specifier.contains(pinned[requirement.name.lower()]), line


async def test_a_purge_takes_all_that_is_the_machine_s_but_what_waits_to_be_sent(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    lib = tmp_path / "var" / "lib" / "wsfs"
    waiting = {"small": b"in the journal", "large": b"x" * (SMALL + 1), "empty": b""}
    for account in ("sent", "held", "broken", "known", *waiting):
        (lib / account).mkdir(parents=True)
        world = World(lib / account / "spool", mock_clock)
        async with world.running(sending=False):
            if account in waiting:
                await world.write(1, "offer.txt", waiting[account])
    (lib / "broken" / "spool" / "lost").mkdir()
    (lib / "broken" / "spool" / "lost" / "12").touch()
    (lib / "unused").mkdir()
    for path in ("etc/wsfs/config.toml", "var/cache/wsfs/sent/index", "var/lib/wsfs/logins/sent.json"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    units = tmp_path / "etc" / "systemd" / "system"
    for unit in ("wsfs@sent.service.d/wsfs.conf", "multi-user.target.wants/wsfs@sent.service"):
        (units / unit).parent.mkdir(parents=True)
        (units / unit).touch()

    def script(action: str) -> list[str]:
        """What it says, every line being about a directory that stays."""
        postrm = ROOT / "packaging" / "debian" / "postrm"
        said = run("sh", postrm, action, env={"DPKG_ROOT": str(tmp_path)}).err.splitlines()
        return sorted(Path(line.split()[1]).name for line in said)

    assert script("remove") == []
    assert len(list(lib.iterdir())) == 9
    in_use = World(lib / "held" / "spool", mock_clock)
    async with in_use.running(sending=False):
        said = await trio.to_thread.run_sync(script, "purge")
    assert said == ["broken", "empty", "held", "large", "small"]
    assert sorted(path.name for path in lib.iterdir()) == said
    assert not [place for place in ("etc/wsfs", "var/cache/wsfs") if (tmp_path / place).exists()]
    assert [path.name for path in units.iterdir()] == ["multi-user.target.wants"]
    assert script("purge") == ["broken", "empty", "large", "small"]  # and that of `held` is free by now
    world = World(lib / "small" / "spool", mock_clock)
    async with world.running(sending=False):
        [node] = [node for node in world.spool.nodes.values() if node.name == "offer.txt"]
        assert world.read(node) == b"in the journal"


# Manual pages and completion


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with man/ and completion/."""
    place = tmp_path_factory.mktemp("manual")
    run(sys.executable, ROOT / "packaging" / "manual.py", place, env={"SOURCE_DATE_EPOCH": "1600000000"})
    return place


def shown(page: Path) -> str:
    """A page as a person sees it, without hyphenation or wrapped lines."""
    environment = {"MANWIDTH": "1000", "MANPAGER": "cat", "PAGER": "cat", "MANROFFOPT": "-c"}
    return re.sub(r".\x08", "", run("man", "-l", page, env=environment).out)


def test_there_is_a_page_for_each_command_and_the_settings(manual: Path) -> None:
    pages = {path.name for path in (manual / "man").iterdir()}
    expected = {f"wsfs-{command}.1" for command in COMMANDS}
    assert {"wsfs.1", "wsfs.conf.5", "mount.fuse.wsfs.8"} | expected <= pages
    assert all("2020-09-13" in (manual / "man" / name).read_text() for name in pages)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_s_page_names_all_of_its_options(command: str, manual: Path) -> None:
    context = click.Context(group)
    found = group.get_command(context, command)
    assert found is not None
    page = shown(manual / "man" / f"wsfs-{command}.1")
    for parameter in found.get_params(context):
        if isinstance(parameter, click.Option) and not parameter.hidden:
            for name in parameter.opts:
                assert re.search(rf"(^|[\s,]){re.escape(name)}\b", page), name
            assert (parameter.help or "").split(".")[0].replace("`", "") in page
    assert f"wsfs {command}" in page


def test_the_page_of_settings_names_all_of_them(manual: Path) -> None:
    page = shown(manual / "man" / "wsfs.conf.5")
    for name in OPTIONS:
        assert re.search(rf"\b{name}\b|--{name.replace('_', '-')}\b", page), name


def test_the_pages_are_without_fault(manual: Path) -> None:
    """As lintian looks at them."""
    for page in sorted((manual / "man").iterdir()):
        done = run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page, env={"MANWIDTH": "80"})
        assert done.err == "", page.name


COMPLETED = (
    ("wsfs umou", "wsfs umount"),
    ("wsfs status --js", "wsfs status --json"),
    ("wsfs mount glo", "wsfs mount globex"),
    ("wsfs mount globex . -o ro,don", "wsfs mount globex . -o ro,done="),
    ("wsfs mount globex . -o ro,done=mi", "wsfs mount globex . -o ro,done=mixed"),
)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Where wsfs is found, and knows an account."""
    config = tmp_path / "config" / "wsfs" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("[accounts.globex]\n")
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PS1": "> ",
    }


SHELLS = {
    "bash": (("bash", "--norc", "--noprofile", "-i"), "source {script}"),
    "zsh": (("zsh", "-f", "-i"), "autoload -U compinit; compinit -u -D; source {script}"),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_what_is_typed(
    shell: str, manual: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    command, prepare = SHELLS[shell]
    with at_terminal(*command, cwd=tmp_path, env=environment) as terminal:
        terminal.type(prepare.format(script=manual / "completion" / shell) + "; echo rea''dy\r")
        terminal.see("ready")
        for begun, completed in COMPLETED:
            terminal.type(f"{begun}\t")
            terminal.see(completed)
            terminal.type("\x15")  # Ctrl-U: away with the line
        terminal.type("exit\r")
        terminal.end()


def test_fish_completes_what_is_typed(manual: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    for begun, completed in COMPLETED:
        script = f"source {manual}/completion/fish; complete -C '{begun}'"
        offered = run("fish", "--no-config", "-c", script, env=environment, cwd=tmp_path).lines
        assert [line.partition("\t")[0] for line in offered] == [completed.rpartition(" ")[2]]
