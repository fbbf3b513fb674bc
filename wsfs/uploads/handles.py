"""Open spooled files: what a program holds while it reads and writes one."""

from __future__ import annotations

from collections.abc import Callable

from wsfs.uploads.contents import Contents, OpenContent, translating
from wsfs.uploads.errors import UploadError
from wsfs.uploads.nodes import Spooled


class OpenFile:
    """One spooled file that is open: the content that all its handles share.

    It stays valid when the node is renamed, deleted, or uploaded. `killed` gathers that a writer of it was
    ended by a signal, `failed` is the sentence that a program was refused a write or a close with: not all that
    it was given is in it, and most programs leave it behind like that.
    """

    def __init__(self, node: Spooled, content: OpenContent) -> None:
        self.node = node
        self.content = content
        self.handles: set[SpoolHandle] = set()
        self.removed = False
        self.killed = False
        self.failed: str | None = None

    def others_unflushed(self, handle: SpoolHandle) -> bool:
        """Whether another handle has written since its last flush."""
        return any(other.unflushed for other in self.handles if other is not handle)


class SpoolHandle:
    """What one open(2) of a spooled file gives; made by `Spool.open`, given back to `Spool.release`.

    `read` and `write` touch the page cache only, and don't wait. Not for several threads.
    """

    def __init__(
        self,
        opened: OpenFile,
        contents: Contents,
        changing: Callable[[OpenFile], None],
        *,
        writes: bool,
        pid: int,
        now_ns: Callable[[], int],
    ) -> None:
        self.opened = opened
        self.writes = writes
        self.pid = pid
        self.killed = False
        self.wrote = False
        self.unflushed = False
        self.sized = False  # given its size since the last write
        self.released = False
        self._contents = contents
        self._changing = changing
        self._now_ns = now_ns

    @property
    def inode(self) -> int:
        """The inode it was opened by."""
        return self.opened.node.inode

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end of the file."""
        with translating("a file of the upload spool can't be read"):
            return self.opened.content.read(offset, length)

    def write(self, offset: int, data: bytes) -> int:
        """Write all of `data` at `offset`; returns its length.

        Errors: NoSpace, SpoolBroken. While the file is being sent its content is first copied, and one that gets
        too large for the journal moved, here and now: `Spool.write` does the same without holding everyone up.
        """
        try:
            return self._write(offset, data)
        except UploadError as error:
            self.opened.failed = str(error)
            raise

    def _write(self, offset: int, data: bytes) -> int:
        self._contents.need_room(len(data))
        self._changing(self.opened)
        self._make_way(offset + len(data))
        node = self.opened.node
        done = 0
        with translating("a file of the upload spool can't be written"):
            view = memoryview(data)
            try:
                while done < len(data):
                    done += self.opened.content.write(offset + done, view[done:])
            finally:
                self._changed()
                self.sized = False
                self._contents.wrote(self.opened.content, done)
                if done:
                    node.size = max(node.size, offset + done)
        return done

    def resize(self, size: int) -> None:
        """Cut the file to `size` bytes, or lengthen it with zeros; Spool.truncate is what programs get."""
        self._changing(self.opened)
        self._make_way(size)
        with translating("a file of the upload spool can't be written"):
            self.opened.content.resize(size)
        self._changed()
        self.opened.node.size = size
        if not size:
            self.opened.failed = None
        for other in self.opened.handles:
            other.unflushed = other.unflushed or other.writes
            other.sized = True

    def abandon(self) -> None:
        """Its program never got it: if the file was cut for it, what it was to become is not whole."""
        self.killed = self.wrote = self.unflushed

    def _make_way(self, size: int) -> None:
        if self._contents.outgrows(self.opened.content, size):
            self._contents.move(self.opened.content, self._contents.make(self.opened.content.name))

    def _changed(self) -> None:
        node = self.opened.node
        node.version += 1
        node.mtime_ns = node.ctime_ns = self._now_ns()
        self.wrote = self.unflushed = True
