"""The composition root, as far as it goes without a kernel: what keeps a mount from being made."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsfs.api.auth import AdminKey
from wsfs.config import Settings
from wsfs.emulator.testing import running
from wsfs.mount import MountError, serve


def settings_for(url: str, key: str, scratch: Path) -> Settings:
    place = scratch / "drive"
    place.mkdir()
    return Settings(
        account=url,
        base_url=url,
        mountpoint=place,
        credentials=AdminKey(key),
        cache_dir=scratch / "cache",
        data_dir=scratch / "data",
        rate=0,
    )


async def test_a_wrong_key_is_one_sentence_that_says_what_to_do_and_holds_no_key(tmp_path: Path) -> None:
    wrong = "f" * 32
    async with running() as emulator:
        with pytest.raises(MountError, match="doesn't accept the API key; copy it anew") as caught:
            await serve(settings_for(emulator.url, wrong, tmp_path), ready=lambda: pytest.fail("it mounted"))
    assert wrong not in str(caught.value)


async def test_an_account_that_cannot_be_reached_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MountError, match=r"can't be reached.*check the network and the account's address"):
        await serve(
            settings_for("http://127.0.0.1:9", "0" * 32, tmp_path), ready=lambda: pytest.fail("it mounted")
        )


async def test_a_data_directory_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file in the way")
    with pytest.raises(MountError, match="can't be used"):
        await serve(
            settings_for("http://127.0.0.1:9", "0" * 32, tmp_path), ready=lambda: pytest.fail("it mounted")
        )
