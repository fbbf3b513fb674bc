"""Programs that put files onto a drive which may die under them, and what each was promised.

Every content is like no other, so that it is known again by its SHA-256, whatever became of its name.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import os
import random
import threading
from collections import Counter
from pathlib import Path

REFUSALS = frozenset({errno.EPERM, errno.EACCES, errno.EBUSY})
"""What wsfs says to a change of what is on its way or there: nothing was done."""


@dataclasses.dataclass
class Deed:
    """One content that a program gave to the drive.

    `must` says that its close has returned, and nothing that takes it back was tried since: it has to arrive.
    `may`, that it is allowed to. `names` are those that it may have here; `plain`, that it has kept its name
    for sure, so that it has to be found under it.
    """

    sha256: str
    size: int
    folder: str
    names: set[str]
    must: bool = False
    may: bool = True
    plain: bool = True


@dataclasses.dataclass
class Folder:
    """A directory that a program made: `path` from the drive's root; `made` says that mkdir returned."""

    path: str
    made: bool = False

    @property
    def depth(self) -> int:
        return self.path.count("/")


class Writer(threading.Thread):
    """One program, copying, saving, renaming and deleting until told to stop, or until the drive is gone.

    `folders` are directories of the drive, `new` makes their names; both from its root. The choices follow from
    `seed`; what they meet doesn't.
    """

    def __init__(self, drive: Path, folders: list[str], name: str, seed: str) -> None:
        super().__init__(daemon=True)
        self._drive = drive
        self._folders = folders
        self._label = name
        self._random = random.Random(seed)
        self._ended = threading.Event()
        self._count = 0
        self._quiet = [self._random.choice((0.0, 0.01, 0.05)), self._random.choice((300, 3_000, 100_000))]
        self.deeds: list[Deed] = []
        self.made: list[Folder] = []
        self.errors: Counter[str] = Counter()

    def end(self) -> None:
        """Let it end what it is at, and stop."""
        self._ended.set()

    def run(self) -> None:
        work = (self._copy, self._save_by_rename, self._copy_and_rename, self._copy_and_delete)
        also = (self._save_again, self._replace_again, self._make_folder)
        while not self._ended.is_set():
            try:
                self._random.choices((*work, *also), (8, 3, 2, 1, 2, 2, 1))[0]()
            except OSError as error:
                self.errors[errno.errorcode.get(error.errno or 0, "?")] += 1
                if error.errno in {errno.ENOTCONN, errno.ECONNABORTED, errno.ENODEV}:
                    return
                self._ended.wait(0.01)  # what is unmounted and still sends would get less of the processor
            self._ended.wait(self._random.uniform(0, self._quiet[0]))

    # What a program does

    def _copy(self) -> Deed:
        """As cp: make it, write it, close it."""
        deed, data = self._new()
        self._write(deed, next(iter(deed.names)), data, os.O_CREAT | os.O_EXCL)
        deed.must = True
        return deed

    def _save_by_rename(self) -> None:
        """As rsync and most editors: a temporary file, renamed once it is whole."""
        deed, data = self._new()
        name = next(iter(deed.names))
        temporary = f".{name}.Ab12Cd"
        self._write(deed, temporary, data, os.O_CREAT | os.O_EXCL)
        self._at(deed.folder, temporary).rename(self._at(deed.folder, name))
        deed.must = True

    def _copy_and_rename(self) -> None:
        deed = self._copy()
        [old] = deed.names
        new = f"renamed-{old}"
        deed.names.add(new)
        try:
            self._at(deed.folder, old).rename(self._at(deed.folder, new))
        except OSError as error:
            if error.errno in REFUSALS:
                deed.names.discard(new)
            raise
        deed.names.discard(old)

    def _copy_and_delete(self) -> None:
        deed = self._copy()
        plain = deed.plain
        deed.must, deed.plain = False, False
        try:
            self._at(deed.folder, next(iter(deed.names))).unlink()
        except OSError as error:
            refused = error.errno in REFUSALS
            deed.must, deed.plain = refused, refused and plain
            raise
        deed.may = False

    def _save_again(self) -> None:
        """As an editor: over what it wrote before, in place. What was there may have gone already."""
        old = self._copy()
        self._ended.wait(self._random.choice((0.0, 0.0, 0.3, 0.6)))
        deed, data = self._new()
        plain = old.plain
        deed.folder, deed.names, deed.plain = old.folder, set(old.names), plain
        old.must, old.plain = False, False
        try:
            self._write(deed, next(iter(deed.names)), data, os.O_TRUNC)
        except PermissionError:
            old.must, old.plain = True, plain
            self.deeds.remove(deed)
            raise
        deed.must = True

    def _replace_again(self) -> None:
        """As most editors: another file is renamed over what it wrote before, which may be uploaded by now."""
        old = self._copy()
        self._ended.wait(self._random.choice((0.0, 0.3, 0.6, 1.2)))
        deed, data = self._new()
        temporary = f".{next(iter(deed.names))}.Ab12Cd"
        plain = old.plain
        deed.folder, deed.names, deed.plain = old.folder, set(old.names), plain
        name = next(iter(deed.names))
        self._write(deed, temporary, data, os.O_CREAT | os.O_EXCL)
        old.must, old.plain = False, False
        try:
            self._at(deed.folder, temporary).rename(self._at(deed.folder, name))
        except OSError as error:
            refused = error.errno in REFUSALS
            old.must, old.plain = refused, refused and plain
            deed.plain = False
            raise
        deed.must = True

    def _make_folder(self) -> None:
        parent = self._random.choice(self._folders)
        if parent.count("/") >= 3:
            return
        self._count += 1
        folder = Folder(f"{parent}/Folder {self._label} {self._count}")
        self.made.append(folder)
        (self._drive / folder.path).mkdir()
        folder.made = True
        self._folders.append(folder.path)

    # How

    def _new(self) -> tuple[Deed, bytes]:
        """A content like no other, for a new name in one of the folders."""
        self._count += 1
        odd = self._random.random() < 0.2
        name = f"{self._label}-{self._count}{' (a b)' if odd else ''}.bin"
        # Equal sizes are what makes files hard to tell apart.
        size = self._random.choice(
            (40, 41, int(self._quiet[1]), self._random.randint(32, int(self._quiet[1])))
        )
        head = f"{self._label} {self._count} ".encode()
        data = (head + self._random.randbytes(max(0, size - len(head))))[: max(size, len(head))]
        deed = Deed(
            sha256=hashlib.sha256(data).hexdigest(),
            size=len(data),
            folder=self._random.choice(self._folders),
            names={name},
            plain=not odd,
        )
        self.deeds.append(deed)
        return deed, data

    def _write(self, deed: Deed, name: str, data: bytes, flags: int) -> None:
        """Write and close; when this returns, so has the close."""
        descriptor = os.open(self._at(deed.folder, name), os.O_WRONLY | flags, 0o644)
        try:
            for offset in range(0, len(data), 65_536):
                piece = memoryview(data)[offset : offset + 65_536]
                while piece:
                    piece = piece[os.write(descriptor, piece) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.close(descriptor)
            raise
        os.close(descriptor)

    def _at(self, folder: str, name: str) -> Path:
        return self._drive / folder / name
