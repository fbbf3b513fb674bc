"""Paths as arguments: taken as they are typed.

click's own type asks the file system whether a path is there, even where it needn't be; in a drive whose process hangs
that is never answered, and just then a command is wanted that says so or ends it.
"""

from __future__ import annotations

from typing import Any

import click


class UntouchedPath(click.Path):
    """A path that nobody looks at; shells complete it as any other."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return self.coerce_path_result(value)


PATH = UntouchedPath()
