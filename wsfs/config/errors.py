"""What is raised where a setting can't be used."""

from __future__ import annotations


class ConfigError(Exception):
    """A setting that can't be used; str() is one sentence that names the option and its source."""
