from __future__ import annotations

import pytest

from wsfs.api.account import account_base_url, is_loopback


@pytest.mark.parametrize(
    ("account", "url"),
    [
        ("acme", "https://acme.worksection.com"),
        ("ACME", "https://acme.worksection.com"),
        (" acme-2 ", "https://acme-2.worksection.com"),
        ("acme.worksection.com", "https://acme.worksection.com"),
        ("acme.worksection.com/", "https://acme.worksection.com"),
        ("tasks.acme.example", "https://tasks.acme.example"),
        ("https://acme.worksection.com/project/12/?x=1#y", "https://acme.worksection.com"),
        ("http://acme.worksection.com", "https://acme.worksection.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://localhost:80", "http://localhost:80"),
    ],
)
def test_what_people_type(account: str, url: str) -> None:
    assert account_base_url(account) == url


@pytest.mark.parametrize(
    "account",
    [
        "",
        "a cme",
        "-acme",
        "acme_1",
        "localhost",
        "ftp://acme.example",
        "https://",
        "http://h:x",
        "https://[",
        "/x",
    ],
)
def test_what_is_no_account_is_said_in_a_sentence(account: str) -> None:
    with pytest.raises(ValueError, match=r"account|URL"):
        account_base_url(account)


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="must not hold") as caught:
        account_base_url("https://ann:geheim@acme.worksection.com")
    assert "geheim" not in str(caught.value)


def test_loopback() -> None:
    assert all(map(is_loopback, ("http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1")))
    assert not is_loopback("https://acme.worksection.com")
