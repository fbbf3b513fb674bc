from __future__ import annotations

from pathlib import Path

import pytest

from wsfs import belonging


def test_a_directory_is_the_first_one_s_and_nobody_else_s(tmp_path: Path) -> None:
    assert belonging.account(tmp_path) is None
    belonging.claim(tmp_path, "https://acme.worksection.com")
    belonging.claim(tmp_path, "https://acme.worksection.com")
    assert belonging.account(tmp_path) == "https://acme.worksection.com"
    with pytest.raises(belonging.BelongsToAnother) as caught:
        belonging.claim(tmp_path, "https://other.worksection.com")
    assert caught.value.account == "https://acme.worksection.com"
    assert belonging.account(tmp_path) == "https://acme.worksection.com"
    assert [path.name for path in tmp_path.iterdir()] == ["account"]


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_what_says_nothing_is_taken(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "account").write_bytes(content)
    belonging.claim(tmp_path, "https://acme.worksection.com")
    assert belonging.account(tmp_path) == "https://acme.worksection.com"
