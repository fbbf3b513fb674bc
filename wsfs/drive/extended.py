"""Extended attributes: what Worksection says of a node beyond stat, and what wsfs does."""

from __future__ import annotations

import datetime

from wsfs.drive import errors
from wsfs.drive.filesystem import Caller, Drive
from wsfs.drive.pages import Pages
from wsfs.drive.pinning import Pinning
from wsfs.tree.inodes import Kind
from wsfs.tree.nodes import Directory, File, Node
from wsfs.uploads.nodes import Spooled
from wsfs.uploads.states import State

ID = "user.worksection.id"
URL = "user.worksection.url"
AUTHOR = "user.worksection.author"
DATE = "user.worksection.date"
STATUS = "user.worksection.status"
CACHED = "user.wsfs.cached"
UPLOAD = "user.wsfs.upload"
STATE = "user.wsfs.state"
PIN = "user.wsfs.pin"
#: The same, for those who aren't root: the kernel lets nobody else write `user.*` of what is read-only.
PINS = frozenset({PIN, "system.wsfs.pin"})

_NAMES: dict[Kind, tuple[str, ...]] = {
    Kind.PROJECT: (ID, URL, AUTHOR, DATE, STATUS, PIN),
    Kind.TASK: (ID, URL, AUTHOR, DATE, STATUS, PIN),
    Kind.ATTACHMENT: (ID, URL, AUTHOR, DATE, CACHED, STATE, PIN),
    Kind.LOCAL_FILE: (UPLOAD, STATE),
    Kind.LOCAL_DIRECTORY: (UPLOAD, STATE),
}
#: `user.wsfs.state` of what isn't on the server yet, for file managers' emblems: one word of few.
_WORDS = {
    State.OPEN: "waiting",
    State.SETTLING: "waiting",
    State.SENDING: "sending",
    State.UNKNOWN: "sending",
    State.SENT: "sending",
    State.INTERRUPTED: "failed",
    State.QUARANTINED: "failed",
}
_PENDING = frozenset({Kind.LOCAL_FILE, Kind.LOCAL_DIRECTORY})
#: What wsfs says, and no program sets.
_OURS = ("user.worksection.", "user.wsfs.")
#: What a bulk answer doesn't tell of a file, so that asking costs a request where it wasn't read yet.
_DETAILS = frozenset({AUTHOR, DATE})


class ExtendedAttributes:
    """The attributes of a drive's nodes; `account_url` is the address of the account, for links.

    Without `pinning` nothing can be pinned.
    """

    def __init__(
        self,
        drive: Drive,
        account_url: str,
        timezone: datetime.tzinfo | None = None,
        pinning: Pinning | None = None,
    ) -> None:
        self._drive = drive
        self._pinning = pinning
        self._pages = Pages(drive, account_url)
        self._timezone = timezone

    def names(self, inode: int) -> list[str]:
        """The names that `get` answers for this node; costs nothing. Raises NoSuchName."""
        node = self._drive.node(inode)
        names = _NAMES.get(node.kind, ())
        # What is known to be missing isn't named: `getfattr -d` would complain of it.
        known = isinstance(node, Directory) or (isinstance(node, File) and node.dated)
        given = list(spooled.xattrs) if (spooled := self._spooled(node)) is not None else []
        return [name for name in names if name != AUTHOR or node.author or not known] + given

    async def get(self, inode: int, name: str, caller: Caller) -> bytes:
        """The value of one attribute, UTF-8. Raises NoAttribute, NoSuchName, and the API's errors where an
        attachment's date or author has to be read first (one request)."""
        node = self._drive.node(inode)
        if name in PINS and self._pinning is not None and self._pinning.applies(node):
            return b"1" if self._pinning.is_pinned(node) else b"0"
        spooled = self._spooled(node)
        if spooled is not None and name in spooled.xattrs:
            return spooled.xattrs[name]
        if name not in _NAMES.get(node.kind, ()):
            raise errors.NoAttribute(f"{node.path()} has no {name}")
        if name in _DETAILS and isinstance(node, File) and not node.dated and node.owner is not None:
            await self._drive.catalog.need_details(node.owner, caller.lane)
        value = self._value(node, name)
        if value is None:
            raise errors.NoAttribute(f"{node.path()} has no {name}")
        return value.encode()

    async def set(self, inode: int, name: str, value: bytes) -> None:
        """Write one attribute: the pin, or any `user.` of a pending node, which keeps it until it is uploaded.

        Raises NoSuchName, NotSupported, ReadOnly, what Pinning.set does, and what the spool raises.
        """
        if name in PINS and self._pinning is not None:
            await self._pinning.set(inode, value)
            return
        node = self._drive.node(inode)
        if self._spooled(node) is None:
            raise errors.NotSupported(f"{node.path()}: Worksection has no place for {name}")
        if self._is_open_to(name):
            await self._drive.spool.set_xattr(inode, name, value)

    async def remove(self, inode: int, name: str) -> None:
        """Take one attribute away; for the pin that is as to set it to 0. Raises NoAttribute, and what `set` does."""
        if name in PINS and self._pinning is not None:
            await self._pinning.set(inode, b"0")
            return
        node = self._drive.node(inode)
        pending = self._spooled(node) is not None
        if pending and (not self._is_open_to(name) or await self._drive.spool.remove_xattr(inode, name)):
            return
        raise errors.NoAttribute(f"{node.path()} has no {name} that could be removed")

    def _spooled(self, node: Node) -> Spooled | None:
        return self._drive.spool.get(node.inode) if node.kind in _PENDING else None

    def _is_open_to(self, name: str) -> bool:
        """Whether a program may set the attribute. What wsfs says is taken and forgotten: a copy that keeps attributes
        (rsync -X) brings those of its source, and takes away those that its source hasn't."""
        if self._drive.ownership.read_only:
            raise errors.ReadOnly("the drive is mounted read-only")
        return not name.startswith(_OURS)

    def _value(self, node: Node, name: str) -> str | None:
        if name == ID:
            return str(node.id)
        if name == URL:
            return self._pages.own(node)
        if name == AUTHOR:
            return node.author or None
        if name == DATE:
            # The service's own date: an uploaded file's mtime is the one that it was given here.
            stamp_ns = node.date_ns if isinstance(node, File) else node.stamp_ns
            if not stamp_ns:
                return None
            moment = datetime.datetime.fromtimestamp(stamp_ns // 1_000_000_000, self._timezone)
            return moment.strftime("%Y-%m-%d %H:%M")
        if name == STATUS:
            return node.status if isinstance(node, Directory) else None
        if name == CACHED and isinstance(node, File):
            return str(self._drive.contents.cached_percent(node.id, node.size))
        if name == STATE and isinstance(node, File) and node.kind is Kind.ATTACHMENT:
            return self._whereabouts(node)
        spooled = self._drive.spool.get(node.inode)
        if spooled is None:
            return None
        if name == STATE:
            return _WORDS.get(spooled.state, "private")
        return f"{spooled.state}: {spooled.error}" if spooled.error else str(spooled.state)

    def _whereabouts(self, file: File) -> str:
        """Whether an attachment can be read without the network: "kept" (pinned), "here" or "online"."""
        if self._pinning is not None and self._pinning.is_pinned(file):
            return "kept"
        return "here" if self._drive.contents.cached_percent(file.id, file.size) == 100 else "online"
