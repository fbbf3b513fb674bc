"""`wsfs` that never answers whoever makes a file `held.txt`, for tests of what waits for it: holding.py mount …

It runs as a program of its own, in wsfs's stead.
"""

from __future__ import annotations

from typing import Any

import trio

from wsfs.cli import main
from wsfs.drive.namespace import Namespace


def hold() -> None:
    """Have every mount of this process hold up whoever makes that file."""
    create = Namespace.create

    async def holding(self: Namespace, parent: int, name: str, *arguments: Any, **named: Any) -> Any:
        if name == "held.txt":
            await trio.sleep_forever()
        return await create(self, parent, name, *arguments, **named)

    Namespace.create = holding  # type: ignore[method-assign]


if __name__ == "__main__":
    hold()
    main()
