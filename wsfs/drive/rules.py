"""What may be made where, and under which names: what Worksection can't have is refused before anything has happened.

Every refusal is a sentence for the log; which errno a program gets is told by its class.
"""

from __future__ import annotations

from dataclasses import dataclass

from wsfs.drive import errors
from wsfs.drive.filesystem import MAX_NAME_BYTES, Drive
from wsfs.tree.inodes import Kind
from wsfs.tree.layout import CONTROL_NAME, DONE_NAME
from wsfs.tree.nodes import Directory, File, Node
from wsfs.tree.windows import is_possible
from wsfs.uploads.noise import is_noise, is_refused_directory

#: A project's tasks, their subtasks, and those of these: `child` goes no deeper (the API's page on tasks).
MAX_TASK_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Permissions:
    """What may be made where, from the mount options."""

    mkdir: bool = True
    drop: bool = True


class Rules:
    """The rules of one drive. Every method is synchronous and changes nothing."""

    def __init__(self, drive: Drive, permissions: Permissions) -> None:
        self._drive = drive
        self._tree = drive.tree
        self._permissions = permissions

    def directory(self, inode: int) -> Directory:
        """The directory, for what is to be changed in it. Raises ReadOnly, NoSuchName, NotDirectory."""
        if self._drive.ownership.read_only:
            raise errors.ReadOnly("the drive is mounted read-only")
        return self._drive.directory(inode)

    def title(self, directory: Directory, name: str, *, replacing: bool = False) -> str:
        """The title that `name` stands for in `directory`, where it is none that is there, unless it is replaced.

        Raises BadName, NameTooLong, NotPermitted, NameExists.
        """
        try:
            length = len(name.encode())
        except UnicodeEncodeError:
            raise errors.BadName(f"{name!r} isn't UTF-8, and can't be told to Worksection") from None
        if length > MAX_NAME_BYTES:
            raise errors.NameTooLong(f"{name} is longer than {MAX_NAME_BYTES} bytes")
        if directory is self._tree.root and name == CONTROL_NAME:
            raise errors.NotPermitted(f"{name} is wsfs's own name")
        if name in directory.names and not replacing:
            raise errors.NameExists(f"{self._drive.path(directory.inode, name)} is there already")
        if self._tree.options.windows_names and not is_possible(name):
            raise errors.BadName(f"{name!r}: Windows can't have such a name, and the drive is mounted for it")
        return self._tree.title_of(name)

    def check_not_done(self, directory: Directory, name: str) -> None:
        """Where done tasks have a directory of their own, its name is kept free. Raises NotPermitted."""
        shown = self._tree.options.done == "folder" and directory.kind in (Kind.PROJECT, Kind.TASK)
        if shown and name == DONE_NAME:
            raise errors.NotPermitted(f"{name} is the name of the directory of done tasks")

    def check_file(self, directory: Directory, name: str) -> None:
        """Whether a file may be made in `directory`, or moved there. Raises NotPermitted."""
        self.check_not_done(directory, name)
        # What is never uploaded may lie anywhere where files may.
        if directory.kind is Kind.PROJECT and not self._permissions.drop and not is_noise(name):
            raise errors.NotPermitted(
                f"{directory.path()}: files on a project are refused by the option drop=no"
            )
        if directory.kind not in (Kind.PROJECT, Kind.TASK, Kind.LOCAL_DIRECTORY):
            raise errors.NotPermitted(
                f"{directory.path()}: files can be put into projects and tasks only, not here"
            )

    def check_partial(self, directory: Directory, name: str) -> None:
        """Whether a copy under way, NAME.part, could take the place of NAME when it is whole. Raises Denied.

        KDE says nothing when it then can't (KIO 5.103, file_unix.cpp, copy: it logs that), and would leave a person
        with what is never uploaded; what it can't begin, it tells.
        """
        whole = directory.names.get(name.removesuffix(".part")) if name.endswith(".part") else None
        if (
            isinstance(whole, File)
            and whole.kind is not Kind.LOCAL_FILE
            and not self._drive.writable.seconds(whole)
        ):
            raise errors.Denied(
                f"{whole.path()} is an attachment: Worksection can't replace one; save under another name"
            )

    def check_directory(self, directory: Directory, name: str, moved: Directory | None = None) -> None:
        """Whether a directory may be made in `directory`, or `moved` there with what it holds. Raises NotPermitted."""
        if is_refused_directory(name):
            raise errors.NotPermitted(f"{name}: there is no waste basket here, and no repository")
        if directory.kind is Kind.ROOT:
            if not self._drive.ownership.create_projects:
                raise errors.NotPermitted(
                    "a directory here would be a new project: mount with create=projects"
                )
        elif directory.kind not in (Kind.PROJECT, Kind.TASK, Kind.LOCAL_DIRECTORY):
            raise errors.NotPermitted(f"{directory.path()}: tasks can be made in projects and tasks only")
        elif not self._permissions.mkdir:
            raise errors.NotPermitted("new tasks are refused by the option mkdir=no")
        self.check_not_done(directory, name)
        depth = self._tree.depth(directory) + (directory is not self._tree.root) * (1 + _height(moved))
        if depth > MAX_TASK_DEPTH:
            raise errors.NotPermitted(
                f"{self._drive.path(directory.inode, name)}: Worksection has tasks, subtasks and one level "
                "below, no deeper"
            )

    def check_replace(self, node: Node, replaced: Node, *, replace: bool) -> None:
        """Whether `node` may be renamed over `replaced`; `replace`: the program means to.

        Raises NameExists, IsDirectory, NotDirectory, NotPermitted, DirectoryNotEmpty.
        """
        if not replace:
            raise errors.NameExists(f"{replaced.path()} is there already")
        if isinstance(replaced, Directory) != isinstance(node, Directory):
            wanted = errors.IsDirectory if isinstance(replaced, Directory) else errors.NotDirectory
            raise wanted(f"{replaced.path()} is in the way")
        pending = replaced.kind is Kind.LOCAL_FILE
        if isinstance(replaced, File) and not pending and not self._drive.writable.seconds(replaced):
            raise errors.NotPermitted(
                f"{replaced.path()} is an attachment: Worksection can't replace one; save under another name"
            )
        if isinstance(replaced, Directory):
            if replaced.kind is not Kind.LOCAL_DIRECTORY:
                raise errors.NotPermitted(f"{replaced.path()} is on the server and can't be replaced")
            if replaced.members:
                raise errors.DirectoryNotEmpty(f"{replaced.path()} isn't empty")


def _height(directory: Directory | None) -> int:
    """How many levels of directories `directory` has below it."""
    if directory is None:
        return 0
    return max((1 + _height(one) for one in directory if isinstance(one, Directory)), default=0)
