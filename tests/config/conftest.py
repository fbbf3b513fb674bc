from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wsfs.config import Settings, resolve

KEY = "7776461cd931e7b1c8e9632ff8e979ce"

Resolve = Callable[..., Settings]


@pytest.fixture
def settle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """`resolve` with nothing of this machine's configuration in it, and texts for the two files."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")

    def run(
        account: str = "acme",
        *,
        user: str = "",
        system: str = "",
        environ: dict[str, str] | None = None,
        mountpoint: str | None = "/mnt",
        **rest: Any,
    ) -> Settings:
        files = [tmp_path / "user.toml", tmp_path / "system.toml"]
        for path, text in zip(files, (user, system), strict=True):
            path.write_text(text)
            path.chmod(0o600)
        environ = {"WSFS_API_KEY": KEY} if environ is None else environ
        return resolve(account, mountpoint, environ=environ, files=files, **rest)

    return run
