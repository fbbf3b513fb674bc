"""The extended attributes that programs give to what isn't uploaded yet; they have a table of the journal."""

from __future__ import annotations

from wsfs.uploads import journal as rows
from wsfs.uploads.errors import NoSpace
from wsfs.uploads.openfiles import OpenFiles

XATTRS_MOST = 1 << 16
"""Bytes of extended attributes, names and values, that one node may have; a list of names can't be longer."""


class Xattrs(OpenFiles):
    """The part of Spool that keeps them; Spooled.xattrs are those of a node, by name."""

    async def set_xattr(self, inode: int, name: str, value: bytes) -> None:
        """Keep an extended attribute, as long as the node is in the spool; on disk when this returns.

        Errors: NoSuchNode; NoSpace where a node's names and values would be more than `XATTRS_MOST` bytes.
        """
        node = self._existing(inode)
        others = sum(len(key.encode()) + len(held) for key, held in node.xattrs.items() if key != name)
        if others + len(name.encode()) + len(value) > XATTRS_MOST:
            raise NoSpace(
                f"{node.name} has extended attributes of {XATTRS_MOST:,} bytes, and can't have more"
            )
        node.xattrs[name] = value
        node.ctime_ns = int(self.clock() * 1e9)
        if inode in self.nodes:
            await self.journal.commit(rows.put_xattr(inode, name, value), rows.put_node(node))

    async def remove_xattr(self, inode: int, name: str) -> bool:
        """Forget an extended attribute, and whether there was one; on disk when this returns.

        Errors: NoSuchNode.
        """
        node = self._existing(inode)
        if node.xattrs.pop(name, None) is None:
            return False
        node.ctime_ns = int(self.clock() * 1e9)
        if inode in self.nodes:
            await self.journal.commit(rows.delete_xattr(inode, name), rows.put_node(node))
        return True
