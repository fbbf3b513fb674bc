"""How a command tells its user that something can't be done."""

from __future__ import annotations

import click


class UserError(click.ClickException):
    """A command failed for a reason that its user can understand; the message is one sentence.

    It is written to follow "wsfs: ": no capital, no full stop. The exit code is 1. One that `lasts` comes again until
    a person has done something, so that nobody need try again before.
    """

    def __init__(self, message: str, *, lasts: bool = False) -> None:
        super().__init__(message)
        self.lasts = lasts


def say(sentence: str) -> None:
    """Print a sentence on stderr, marked as ours."""
    click.echo(f"wsfs: {sentence}", err=True)
