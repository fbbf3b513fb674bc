"""What is raised where a setting can't be used."""

from __future__ import annotations


class ConfigError(Exception):
    """A setting that can't be used; str() is one sentence that names the option and its source."""


class LoginUnreadable(ConfigError):  # noqa: N818 - it says what is the matter
    """There is a login, but it can't be had now: a keyring is locked, a disk is away. A later try may have it."""
