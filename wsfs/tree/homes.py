"""Which directory every pending node was made in, by inode: it belongs there whether or not the tree has the
directory, and goes where that one's content shows."""

from __future__ import annotations

from wsfs.tree.nodes import Node


class Homes:
    """Pending nodes by the inode of their directory."""

    def __init__(self) -> None:
        self._home: dict[int, int] = {}
        self._nodes: dict[int, dict[int, Node]] = {}

    def put(self, node: Node, home: int) -> None:
        """Let `node` belong to the directory at inode `home`, and to no other."""
        self.drop(node.inode)
        self._home[node.inode] = home
        self._nodes.setdefault(home, {})[node.inode] = node

    def drop(self, inode: int) -> None:
        """The node at `inode` is pending no more; one that wasn't is no error."""
        home = self._home.pop(inode, None)
        if home is not None:
            nodes = self._nodes[home]
            del nodes[inode]
            if not nodes:
                del self._nodes[home]

    def of(self, inode: int) -> int | None:
        """The inode of the directory to which the node at `inode` belongs."""
        return self._home.get(inode)

    def at(self, home: int) -> list[Node]:
        """The nodes that belong to the directory at inode `home`."""
        nodes = self._nodes.get(home)
        return [] if nodes is None else list(nodes.values())
