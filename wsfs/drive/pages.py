"""The pages of nodes on the web, as a person's browser opens them."""

from __future__ import annotations

from wsfs.drive.errors import NoSuchName
from wsfs.drive.filesystem import Caller, Drive
from wsfs.tree.inodes import Kind
from wsfs.tree.nodes import Directory, File, Node

_OF_THE_SERVICE = frozenset({Kind.PROJECT, Kind.TASK, Kind.ATTACHMENT})
_OF_THE_ACCOUNT = frozenset({Kind.ROOT, Kind.FOLDER})


class Pages:
    """The addresses of a drive's nodes; `account_url` is that of the account, without the path of the API."""

    def __init__(self, drive: Drive, account_url: str) -> None:
        self._drive = drive
        self._account_url = account_url.rstrip("/")

    def own(self, node: Node) -> str | None:
        """The address of exactly this node; None for what the service doesn't know.

        `/project/P/T/S/`, `/download/ID` (the API's pages on tasks and files).
        """
        match node.kind:
            case Kind.ATTACHMENT:
                return f"{self._account_url}/download/{node.id}"
            case Kind.PROJECT | Kind.TASK:
                assert isinstance(node, Directory)
                return self._account_url + self._page(node)
        return None

    def link(self, node: Node) -> str:
        """What to hand to a colleague: its own address, or that of the task or project it will be in.

        Raises NoSuchName for wsfs's own files.
        """
        return self.own(self._known(node)) or self._account_url + "/"

    def page(self, node: Node) -> str:
        """What to show in a browser: the page of the task or project that it is, or lies in. Raises as `link`.

        For an attachment it isn't its own address, which is a download.
        """
        node = self._known(node)
        if isinstance(node, File) and node.owner is not None:
            # Not its directory's: what was put onto a project shows there, and belongs to a task.
            kind, id = node.owner
            tree = self._drive.tree
            known = (tree.projects if kind == "project" else tree.tasks).get(id)
            if known is not None:
                return self.link(known)
        while node.kind is Kind.ATTACHMENT and node.parent is not None:
            node = node.parent
        return self.link(node)

    async def find(self, path: str, caller: Caller) -> Node:
        """The node at `path` from the mount's root; what isn't known of it is asked for, as for a program.

        Raises NoSuchName, NotDirectory, NameTooLong, and the API's errors.
        """
        node: Node = self._drive.tree.root
        for part in filter(None, path.split("/")):
            node = await self._drive.lookup(node.inode, part, caller)
        return node

    def _known(self, node: Node) -> Node:
        """The nearest node at or above `node` that has a page."""
        place: Node | None = node
        while place is not None:
            if place.kind in _OF_THE_SERVICE or place.kind in _OF_THE_ACCOUNT:
                return place
            if place.kind in (Kind.CONTROL_DIRECTORY, Kind.CONTROL_FILE):
                break
            place = place.parent
        raise NoSuchName(f"{node.path()} has no page in Worksection")

    def _page(self, node: Directory) -> str:
        if node.kind is Kind.PROJECT:
            return f"/project/{node.id}/"
        tasks = self._drive.tree.tasks
        ids = [node.id]
        parent = tasks.get(node.task_parent)
        while parent is not None and parent.id not in ids:
            ids.append(parent.id)
            parent = tasks.get(parent.task_parent)
        return f"/project/{node.project_id}/" + "".join(f"{id}/" for id in reversed(ids))
