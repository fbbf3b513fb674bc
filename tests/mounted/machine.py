"""A machine of its own for tests that mount by mount(8) or by systemd: this one, with private /etc, /var, /run, /home.

It is a mount name space that a process holds, which root may make; nothing in it is seen outside or outlives it. An
ordinary user lives in it, olha. The processes, the network and /dev are those of this machine.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.mounted.drives import PATIENCE, Done, eventually
from wsfs import mountinfo

ROOT = Path(__file__).resolve().parent.parent.parent
UID = 4321
HOME = Path("/home/olha")
RUNTIME = Path(f"/run/user/{UID}")
HELPERS = {Path("/usr/sbin/mount.fuse.wsfs"): "fstab", Path("/usr/sbin/umount.fuse.wsfs"): "fstab_umount"}
SYSTEMD = Path("/lib/systemd/systemd")
# What is left of the system's units while it is booted: the skeleton, and the journal.
_UNITS = """
    basic.target sysinit.target shutdown.target umount.target final.target exit.target systemd-exit.service
    local-fs.target local-fs-pre.target remote-fs.target remote-fs-pre.target network.target network-online.target
    paths.target slices.target sockets.target timers.target multi-user.target
    systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket
"""
_WANTED = {
    "sysinit.target": ["systemd-journald.service"],
    "sockets.target": ["systemd-journald.socket", "systemd-journald-dev-log.socket"],
    "multi-user.target": ["remote-fs.target"],
}
_SEEN = ("/etc", "/usr/sbin", "/var")  # as they are, with changes that stay in the name space


def needs() -> str | None:
    """Why there can't be one here, or None."""
    if os.geteuid() != 0:
        return "only root can make a machine for tests of mount(8) and systemd"
    missing = [name for name in ("unshare", "nsenter", "setpriv", "mount") if shutil.which(name) is None]
    return f"{', '.join(missing)} is missing" if missing else None


class Machine:
    """Commands in it, as root, as olha, or as another user of this machine. `scratch` is private to it too."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "slave", "--", sys.executable, __file__, str(scratch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self._holder.stdout is not None
        self._inside = [f"--target={self._holder.pid}", "--mount"]
        self._base = list(self._inside)
        said = self._holder.stdout.readline()
        assert said == b"ready\n", f"the machine can't be made: {said!r}"

    @property
    def pid(self) -> int:
        """The process that holds it."""
        return self._holder.pid

    def has(self, pid: int) -> bool:
        """Whether a process is one of this machine's, and not of the one around it."""
        try:
            return Path(f"/proc/{pid}/ns/mnt").readlink() == Path(f"/proc/{self.pid}/ns/mnt").readlink()
        except OSError:
            return False

    def command(self, *words: str | Path, user: str = "root") -> list[str]:
        """The command line that runs `words` in it."""
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "HOME": str(HOME) if user == "olha" else "/root",
            "USER": user,
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        }
        become: list[str] = []
        if user != "root":
            uid = UID if user == "olha" else pwd.getpwnam(user).pw_uid
            become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--"]
        if user == "olha":
            environment["XDG_RUNTIME_DIR"] = str(RUNTIME)
        return [
            *("nsenter", *self._inside, "--", *become),
            *("env", "-i", f"--chdir={HOME if user == 'olha' else '/'}"),
            *(f"{name}={value}" for name, value in environment.items()),
            *map(str, words),
        ]

    def run(
        self,
        *words: str | Path,
        user: str = "root",
        ok: bool = True,
        stdin: str | None = None,
        seconds: float = 60,
    ) -> Done:
        """Run a command in it; with `ok` its exit code has to be 0."""
        outcome = subprocess.run(
            self.command(*words, user=user),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        done = Done(outcome.returncode, outcome.stdout, outcome.stderr)
        assert not ok or done.code == 0, f"{words} ended with {done.code}: {done.err}{done.out}"
        return done

    def start(self, *words: str | Path, user: str = "root") -> subprocess.Popen[bytes]:
        """Start a command in it, the process itself: whoever it belongs to ends it."""
        return subprocess.Popen(self.command(*words, user=user), stdin=subprocess.DEVNULL)

    def wsfs(self, *words: str | Path, user: str = "root", ok: bool = True) -> Done:
        """Run a command of wsfs in it."""
        return self.run(wsfs_script(), *words, user=user, ok=ok)

    def write(self, path: str | Path, text: str, *, mode: int = 0o644, user: str = "root") -> None:
        """Make a file in it, its directories too."""
        path = Path(path)
        self.run("mkdir", "-p", path.parent, user=user)
        self.run("sh", "-c", f"umask 077; cat > '{path}' && chmod {mode:o} '{path}'", user=user, stdin=text)

    def read(self, path: str | Path) -> str:
        """What a file in it holds."""
        return self.run("cat", path).out

    def mounts(self, place: str | Path) -> list[mountinfo.Mount]:
        """What is mounted at exactly `place`, the topmost last."""
        inside = self._inside[0].partition("=")[2]
        table = mountinfo.parse(Path(f"/proc/{inside}/mountinfo").read_text())
        return [mount for mount in table if mount.mountpoint == Path(place)]

    # systemd

    @contextlib.contextmanager
    def logged_in(self) -> Iterator[subprocess.Popen[bytes]]:
        """olha's own systemd, as between a login and a logout; what it says goes to `scratch`/systemd.log."""
        with _groups() as joined, (self.scratch / "systemd.log").open("ab") as log:
            script = "".join(f"echo $$ > {path}/cgroup.procs; " for path in joined)
            manager = subprocess.Popen(
                ["sh", "-c", script + 'exec "$@"', "sh", *self.command(SYSTEMD, "--user", user="olha")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            try:
                eventually(
                    lambda: self.systemctl("is-system-running", "--quiet", ok=False).code == 0, "systemd"
                )
                yield manager
            finally:
                manager.send_signal(signal.SIGTERM)
                try:
                    manager.wait(PATIENCE * 4)
                finally:
                    manager.kill()
                    manager.wait()

    @contextlib.contextmanager
    def booted(self) -> Iterator[None]:
        """The machine's own systemd, its first process, as between a boot and a shutdown; in it run all commands."""
        with _groups() as joined, (self.scratch / "boot.log").open("ab") as log:
            script = "".join(f"echo $$ > {path}/cgroup.procs; " for path in joined)
            # What it would set of the kernel is not its own.
            inner = (
                "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec env container=wsfs "
                f"{SYSTEMD} --system --log-target=console --show-status=no --unit=multi-user.target"
            )
            apart = ("--pid", "--mount", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc")
            boot = subprocess.Popen(
                ["sh", "-c", script + 'exec "$@"', "sh", *self.command("unshare", *apart, "sh", "-c", inner)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            try:
                first = eventually(lambda: _children(boot.pid), "the first process")[0]
                self._inside = [f"--target={first}", "--mount", "--pid", "--uts", "--ipc"]
                up = ("running", "degraded")
                state = ("systemctl", "is-system-running")
                eventually(lambda: self.run(*state, ok=False).out.strip() in up, "the boot")
                yield
                self.run("systemctl", "exit")
                boot.wait(PATIENCE * 4)
            finally:
                boot.kill()
                boot.wait()
                self._inside = list(self._base)

    def systemctl(self, *words: str, ok: bool = True) -> Done:
        """olha's systemctl."""
        return self.run("systemctl", "--user", *words, user="olha", ok=ok)

    def close(self) -> None:
        """End it, and what is mounted in it."""
        for mount in mountinfo.parse(Path(f"/proc/{self._holder.pid}/mountinfo").read_text()):
            if mount.is_wsfs and mount.mountpoint.is_relative_to(HOME.parent):
                self.run("umount", "-l", mount.mountpoint, ok=False)
        assert self._holder.stdin is not None and self._holder.stdout is not None
        self._holder.stdin.close()
        self._holder.wait(PATIENCE)
        self._holder.stdout.close()


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def wsfs_script() -> Path:
    """The script of wsfs beside the interpreter that runs the tests."""
    return Path(sys.executable).parent / "wsfs"


@contextlib.contextmanager
def _groups() -> Iterator[list[Path]]:
    """Control groups of olha's: systemd keeps to those it is started in, and what is below."""
    table = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    trees = [
        Path(one[4]) for one in table if re.search(r" - cgroup2? .*(name=systemd|cgroup2)", " ".join(one))
    ]
    trees += [Path(one[4]) for one in table if " - cgroup2 " in " ".join(one) and Path(one[4]) not in trees]
    made = [tree / f"wsfs-test-{os.getpid()}" for tree in dict.fromkeys(trees)]
    try:
        for group in made:
            group.mkdir()
            for path in (group, *group.iterdir()):
                if path == group or path.name in (
                    "cgroup.procs",
                    "cgroup.threads",
                    "cgroup.subtree_control",
                    "tasks",
                ):
                    os.chown(path, UID, UID)
        yield made
    finally:
        for group in made:
            _empty(group)


def _empty(group: Path) -> None:
    """Remove a control group with all below it, once nobody is in it any more."""
    until = time.monotonic() + PATIENCE
    while group.exists() and time.monotonic() < until:
        for path in sorted(group.rglob("*"), reverse=True):
            if path.is_dir():
                with contextlib.suppress(OSError):
                    path.rmdir()
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.1)


# In the name space


def _mount(*words: str | Path) -> None:
    subprocess.run(["mount", *map(str, words)], check=True)


def _open_up(path: Path, stash: Path, covered: dict[Path, Path]) -> None:
    """Have olha get to `path`: a directory above it that is closed to others is covered by one with this way alone."""
    for above in reversed(path.parents):
        inner = above / path.relative_to(above).parts[0]
        if above in covered:
            if not inner.exists():
                _bind(covered[above] / inner.name, inner)
        elif not above.stat().st_mode & stat.S_IXOTH:
            kept = stash / f"below{len(covered)}"
            kept.mkdir()
            _mount("--rbind", above, kept)
            _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", above)
            covered[above] = kept
            _bind(kept / inner.name, inner)


def _bind(source: Path, target: Path) -> None:
    target.mkdir()
    _mount("--rbind", source, target)


def _set_up(scratch: Path) -> None:
    for mount in reversed(
        mountinfo.mounts()
    ):  # those of other tests, of which a copy here would hold the end up
        if mount.fstype.startswith("fuse."):
            subprocess.run(["umount", "-i", "--lazy", mount.mountpoint], check=True)
    _mount("--make-rprivate", "/")
    work = Path("/run")
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", work)
    stash = work / "stash"
    stash.mkdir(mode=0o700)
    for path in _SEEN:
        upper, inner = stash / f"upper{path.replace('/', '-')}", stash / f"work{path.replace('/', '-')}"
        upper.mkdir()
        inner.mkdir()
        _mount("-t", "overlay", "-o", f"lowerdir={path},upperdir={upper},workdir={inner}", "overlay", path)
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", HOME.parent)
    covered: dict[Path, Path] = {}
    for tree in {Path(sys.base_prefix), Path(sys.prefix), ROOT, scratch}:
        _open_up(tree.resolve(), stash, covered)
    _lay_out_units(stash)
    scratch.chmod(0o755)
    for directory in (HOME, RUNTIME.parent, RUNTIME, Path("/run/systemd/system")):
        directory.mkdir(parents=True, exist_ok=True)
    for directory in (HOME, RUNTIME):
        directory.chmod(0o700)
        os.chown(directory, UID, UID)
    with Path("/etc/passwd").open("a") as file:
        file.write(f"olha:x:{UID}:{UID}:Olha:{HOME}:/bin/sh\n")
    with Path("/etc/group").open("a") as file:
        file.write(f"olha:x:{UID}:\n")
    Path("/etc/fstab").write_text("")
    Path("/etc/fuse.conf").write_text("user_allow_other\n")
    shutil.rmtree("/etc/wsfs", ignore_errors=True)
    for helper, module in HELPERS.items():
        helper.write_text(f"#!{sys.executable} -P\nfrom wsfs.cli.{module} import main\n\nmain()\n")
        helper.chmod(0o755)


def _lay_out_units(stash: Path) -> None:
    """Of this machine's units the skeleton alone, and nothing that an administrator has enabled."""
    units, own, generators = (stash / name for name in ("units", "own", "generators"))
    for directory in (units, own, generators):
        directory.mkdir()
    system = SYSTEMD.parent / "system"
    for name in _UNITS.split():
        shutil.copy(system / name, units)
    for target, wanted in _WANTED.items():
        (units / f"{target}.wants").mkdir()
        for name in wanted:
            (units / f"{target}.wants" / name).symlink_to(Path("..") / name)
    shutil.copy(SYSTEMD.parent / "system-generators/systemd-fstab-generator", generators)
    _mount("--bind", units, system)
    _mount("--bind", generators, SYSTEMD.parent / "system-generators")
    _mount("--bind", own, "/etc/systemd/system")
    settings = Path("/run/systemd/journald.conf.d/test.conf")
    settings.parent.mkdir(parents=True)
    settings.write_text("[Journal]\nStorage=volatile\nReadKMsg=no\n")


def main(arguments: Sequence[str]) -> None:
    """What holds the name space, until its standard input ends."""
    _set_up(Path(arguments[0]))
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
