from __future__ import annotations

import hashlib
import hmac
import logging
from hashlib import md5

import pytest

from wsfs.api.auth import (
    AdminKey,
    RedactingFilter,
    Signer,
    UserToken,
    admin_hash,
    admin_signature,
    redact,
)

KEY = "7776461cd931e7b1c8e9632ff8e979ce"
TOKEN = "tok-0123456789.abc_DEF"


def test_the_documented_vector() -> None:
    query = "action=get_tasks&id_project=26"
    assert admin_hash(query, KEY) == md5(b"action=get_tasks&id_project=26" + KEY.encode()).hexdigest()
    assert admin_hash(query, KEY) == "ec3ab2c28f21b4a07424f8ed688d6644"


def test_the_hash_covers_the_query_as_it_is_encoded() -> None:
    assert admin_hash("action=x&a=%D1%97", KEY) != admin_hash("action=x&a=ї", KEY)


def test_the_admin_header_is_that_of_the_vendors_client() -> None:
    from worksection import Client as VendorClient

    vendor = VendorClient("http://127.0.0.1").set_api_key(KEY)
    token = vendor.get_admin_token("get_projects")
    t = int(token.partition("_")[0])
    assert admin_signature("get_projects", t, KEY) == token
    assert token.endswith(hmac.new(KEY.encode(), f"get_projects:{t}".encode(), hashlib.sha256).hexdigest())


@pytest.mark.parametrize("secret", ["", "  ", "a b", "a\nb", "ключ", "a\x7f"])
def test_what_can_be_no_secret_is_refused_without_repeating_it(secret: str) -> None:
    for kind in (AdminKey, UserToken):
        with pytest.raises(ValueError, match="key or token") as caught:
            kind(secret)
        assert not secret.strip() or secret not in str(caught.value)


def test_blanks_around_a_pasted_key_are_taken_off() -> None:
    assert AdminKey(f" {KEY}\n").key == KEY
    assert UserToken(f"{TOKEN} ").token == TOKEN


def test_no_repr_shows_a_secret() -> None:
    assert KEY not in repr(AdminKey(KEY)) + str(AdminKey(KEY))
    assert TOKEN not in repr(UserToken(TOKEN)) + str(UserToken(TOKEN))
    assert KEY not in repr(Signer(AdminKey(KEY)))


def test_each_scheme_signs_in_its_place() -> None:
    admin = Signer(AdminKey(KEY), clock=lambda: 1700000000.9)
    assert admin.path == "/api/admin/v2/"
    assert admin.sign("me", "action=me", "header") == (
        "action=me",
        {"Authorization": f"Admin {admin_signature('me', 1700000000, KEY)}"},
    )
    assert admin.sign("me", "action=me", "hash") == (f"action=me&hash={admin_hash('action=me', KEY)}", {})
    user = Signer(UserToken(TOKEN))
    assert user.path == "/api/oauth2"
    assert user.sign("me", "action=me", user.scheme) == ("action=me", {"Authorization": f"Bearer {TOKEN}"})


def test_the_header_comes_first_and_then_the_hash() -> None:
    heard: list[str] = []
    signer = Signer(AdminKey(KEY), on_scheme=heard.append)
    assert signer.scheme == "header"
    assert signer.another({"header"}) == "hash"
    signer.accepted("hash")
    assert signer.scheme == "hash"
    signer.accepted("hash")
    assert heard == ["hash"]


def test_a_remembered_scheme_is_no_news_until_it_changes() -> None:
    heard: list[str] = []
    signer = Signer(AdminKey(KEY), scheme="hash", on_scheme=heard.append)
    assert signer.scheme == "hash"
    signer.accepted("hash")
    assert heard == []
    assert signer.another({"hash"}) == "header"
    signer.accepted("header")
    assert heard == ["header"]


def test_a_wrong_key_costs_the_second_try_only_once() -> None:
    signer = Signer(AdminKey(KEY))
    assert signer.another({"header"}) == "hash"
    assert signer.another({"header", "hash"}) is None
    assert signer.another({"header"}) is None
    signer.accepted("header")
    assert signer.another({"header"}) == "hash"


def test_a_token_has_one_scheme_whatever_was_remembered() -> None:
    signer = Signer(UserToken(TOKEN), scheme="hash")
    assert signer.scheme == "bearer"
    assert signer.another({"bearer"}) is None


SECRETS = [
    f"GET https://acme.example/api/admin/v2/?action=me&hash={md5(b'x').hexdigest()} failed",
    f"hash%3D{md5(b'y').hexdigest()}&x",
    f"Authorization: Admin {admin_signature('me', 1700000000, KEY)}",
    f"'Admin {admin_signature('me', 1700000000, KEY)}'",
    "Authorization: Bearer abc.def-ghi",
    "?access_token=abc.def-ghi&x=1",
    f"the hash {md5(b'z').hexdigest()} is wrong",
    f"illegal header {admin_signature('me', 1700000000, KEY)!r}",
]


@pytest.mark.parametrize("text", SECRETS)
def test_what_looks_like_a_secret_is_taken_out(text: str) -> None:
    clean = redact(text)
    assert "…" in clean
    for secret in (
        md5(b"x").hexdigest(),
        md5(b"y").hexdigest(),
        md5(b"z").hexdigest(),
        admin_signature("me", 1700000000, KEY)[11:],
        "abc.def-ghi",
    ):
        assert secret not in clean


def test_what_is_no_secret_stays() -> None:
    for text in (
        "action=get_tasks&id_project=26",
        "16 files, 1,024 bytes",
        "Адмін не знайшов задачу",
        "hash of it",
    ):
        assert redact(text) == text


def test_a_signer_takes_out_its_own_secret_in_any_place() -> None:
    assert TOKEN not in Signer(UserToken(TOKEN)).redact(f"no such {TOKEN}x")
    assert KEY not in Signer(AdminKey(KEY)).redact(f"x{KEY}y")


def test_the_filter_cleans_message_and_arguments() -> None:
    record = logging.LogRecord(
        "httpx",
        logging.INFO,
        "",
        0,
        "HTTP Request: %s %s",
        ("GET", f"https://a/?hash={md5(b'x').hexdigest()}"),
        None,
    )
    assert RedactingFilter().filter(record)
    assert record.getMessage() == "HTTP Request: GET https://a/?hash=…"
    plain = logging.LogRecord("httpx", logging.INFO, "", 0, "%s of %d", ("1", 2), None)
    assert RedactingFilter().filter(plain)
    assert plain.args == ("1", 2)
