"""Which new attachment is which spooled file: the service's answer to a post doesn't tell."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Sequence

from wsfs.api.models import File
from wsfs.api.multipart import sent_name
from wsfs.uploads.nodes import Spooled


def match(spooled: Sequence[Spooled], listed: Sequence[File], known: Collection[int]) -> dict[int, File]:
    """The attachments that became of the spooled files, by their inodes.

    `listed` are the files of the task now, `known` the ids of those it had before. A name and size that agree
    go first; the service may have changed a name, so then the name as it is compared loosely, then the size
    alone, both in the order in which the files were sent. A file of another size is never taken.
    """
    new = sorted((file for file in listed if file.id not in known), key=lambda file: file.id)
    found: dict[int, File] = {}
    sent = {node.inode: sent_name(node.name) for node in spooled}
    rounds: tuple[Callable[[Spooled, File], bool], ...] = (
        lambda node, file: sent[node.inode] == file.name and node.size == file.size,
        lambda node, file: loose(sent[node.inode]) == loose(file.name) and node.size == file.size,
        lambda node, file: node.size == file.size,
    )
    for agrees in rounds:
        for node in spooled:
            if node.inode in found:
                continue
            file = next((file for file in new if agrees(node, file)), None)
            if file is not None:
                found[node.inode] = file
                new.remove(file)
    return found


def loose(name: str) -> str:
    """A name or title without what a server may change in it: form, case, and all but letters, digits and the dot."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(character for character in folded if character.isalnum() or character == ".")
