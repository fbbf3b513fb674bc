from __future__ import annotations

import dataclasses
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ExpectedWarnings
from wsfs import secrets
from wsfs.api.auth import AdminKey, Application, TokenPair, UserToken
from wsfs.secrets import Busy, Login, SecretsError, Vault

URL = "https://acme.worksection.com"
PAIR = TokenPair(UserToken("access-1"), "refresh-1", 1000.0, 2000.0, URL)
LOGIN = Login(URL, PAIR, "Ann <ann@example.com>", Application("client", "client-secret"), 5.0, "an-id")


class FakeRing:
    """A keyring in memory; `broken` makes it raise, `forgetful` makes it keep nothing."""

    name = "Fake"

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        self.broken = self.forgetful = False

    def get(self, account: str) -> str | None:
        if self.broken:
            raise OSError("refresh-1 is locked")
        return self.held.get(account)

    def set(self, account: str, secret: str) -> None:
        if self.broken:
            raise OSError("refresh-1 is locked")
        if not self.forgetful:
            self.held[account] = secret

    def delete(self, account: str) -> None:
        del self.held[account]


@pytest.fixture
def ring() -> FakeRing:
    return FakeRing()


@pytest.fixture
def vault(tmp_path: Path, ring: FakeRing) -> Vault:
    return Vault(tmp_path / "config/logins", ring=lambda: ring)


@pytest.fixture
def files(tmp_path: Path) -> Vault:
    """A vault where there is no keyring."""
    return Vault(tmp_path / "config/logins", ring=lambda: None)


def only_file(vault: Vault) -> Path:
    (path,) = vault.directory.glob("*.json")
    return path


def without_place(login: Login | None) -> Login:
    assert login is not None
    return dataclasses.replace(login, place="")


def test_nothing_is_kept_at_first(files: Vault) -> None:
    assert files.load(URL) is None
    assert files.stamp(URL) is None
    assert files.entries() == []
    assert not files.forget(URL)


@pytest.mark.parametrize("secret", [PAIR, AdminKey("0123456789abcdef" * 2)])
@pytest.mark.parametrize("keyring", [True, False])
def test_what_is_kept_comes_back(vault: Vault, secret: AdminKey | TokenPair, keyring: bool) -> None:
    application = LOGIN.application if isinstance(secret, TokenPair) else None
    login = dataclasses.replace(LOGIN, secret=secret, application=application)
    kept = vault.store(login, keyring=keyring)
    assert vault.load(URL) == kept
    assert without_place(kept) == login
    (entry,) = vault.entries()
    assert (entry.base_url, entry.user, entry.place) == (URL, login.user, kept.place)
    assert (entry.kind, entry.ends) == (("oauth", 2000.0) if secret is PAIR else ("key", None))


def test_with_a_keyring_no_secret_is_in_a_file(vault: Vault, ring: FakeRing) -> None:
    kept = vault.store(LOGIN)
    assert kept.place == "the keyring (Fake)"
    text = only_file(vault).read_text()
    for secret in ("access-1", "refresh-1", "client-secret"):
        assert secret not in text
        assert secret in ring.held["acme.worksection.com"]
    assert vault.forget(URL)
    assert ring.held == {}
    assert vault.load(URL) is None


def test_without_a_keyring_the_file_is_for_its_user_alone(files: Vault) -> None:
    before = os.umask(0)
    try:
        kept = files.store(LOGIN)
        with files.locked(URL):
            pass
    finally:
        os.umask(before)
    assert kept.place == str(only_file(files))
    assert stat.S_IMODE(files.directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.directory.iterdir()} == {0o600}


@pytest.mark.parametrize("fault", ["broken", "forgetful"])
def test_a_keyring_that_fails_is_no_reason_to_lose_a_pair(
    vault: Vault,
    ring: FakeRing,
    fault: str,
    expected_warnings: ExpectedWarnings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    expected_warnings.expect("kept in a file")
    setattr(ring, fault, True)
    kept = vault.store(LOGIN)
    assert kept.place == str(only_file(vault))
    assert "refresh-1" not in caplog.text  # what a keyring says isn't repeated
    assert vault.load(URL) == kept


def test_a_keyring_that_does_not_answer_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected_warnings: ExpectedWarnings
) -> None:
    import threading

    monkeypatch.setattr(secrets, "KEYRING_SECONDS", 0.05)
    expected_warnings.expect("didn't answer")
    answer = threading.Event()

    class Silent(FakeRing):
        def get(self, account: str) -> str | None:
            answer.wait(20)
            return None

    vault = Vault(tmp_path, ring=Silent)
    try:
        assert vault.store(LOGIN).place.endswith(".json")
    finally:
        answer.set()


def test_a_renewed_pair_stays_where_the_login_was(vault: Vault, ring: FakeRing) -> None:
    kept = vault.store(LOGIN, keyring=False)
    vault.store(dataclasses.replace(kept, secret=dataclasses.replace(PAIR, refresh="refresh-2")))
    assert ring.held == {}
    assert "refresh-2" in only_file(vault).read_text()


def test_a_login_that_the_keyring_lost_is_an_error_that_says_what_to_do(vault: Vault, ring: FakeRing) -> None:
    vault.store(LOGIN)
    ring.held.clear()
    with pytest.raises(SecretsError, match="log in again with `wsfs login acme`"):
        vault.load(URL)
    ring.broken = True
    with pytest.raises(SecretsError, match="keyring can't be used") as caught:
        vault.load(URL)
    assert "refresh-1" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"kind": "key", "secret": {}}', "\udcff"])
def test_a_file_that_is_none_of_ours_is_an_error(files: Vault, text: str) -> None:
    files.store(LOGIN)
    only_file(files).write_text(text, errors="surrogateescape")
    with pytest.raises(SecretsError, match="can't be read"):
        files.load(URL)
    assert files.entries() == []


def test_a_file_that_others_can_read_is_closed_to_them(
    files: Vault, expected_warnings: ExpectedWarnings
) -> None:
    expected_warnings.expect("could be read by other users")
    files.store(LOGIN)
    only_file(files).chmod(0o644)
    assert files.load(URL) is not None
    assert stat.S_IMODE(only_file(files).stat().st_mode) == 0o600


@pytest.mark.parametrize("keyring", [True, False])
def test_every_change_can_be_seen_by_one_stat(vault: Vault, keyring: bool) -> None:
    stamps = {vault.stamp(URL)}
    kept = vault.store(LOGIN, keyring=keyring)
    for _ in range(5):
        stamps.add(vault.stamp(URL))
        vault.store(kept)
    assert len(stamps) == 6


def test_accounts_are_kept_apart(files: Vault) -> None:
    other = dataclasses.replace(LOGIN, base_url="http://127.0.0.1:8080", user="Bob")
    files.store(LOGIN)
    files.store(other)
    assert files.forget(URL)
    assert [entry.user for entry in files.entries()] == ["Bob"]


def test_a_disk_that_takes_nothing_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "logins").write_text("a file in the way")
    vault = Vault(tmp_path / "logins", ring=lambda: None)
    with pytest.raises(SecretsError, match="can't be kept"):
        vault.store(LOGIN)
    with pytest.raises(SecretsError, match="can't be opened"):
        vault.acquire(URL)


def test_a_failed_write_leaves_the_login_of_before(files: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = files.store(LOGIN)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SecretsError, match="No space left"):
        files.store(dataclasses.replace(kept, user="Bob"))
    assert files.load(URL) == kept
    assert [path.suffix for path in files.directory.iterdir()] == [".json"]


def test_the_lock_is_held_against_other_processes_and_goes_with_its_holder(files: Vault) -> None:
    script = (
        "import sys, pathlib; from wsfs.secrets import Vault\n"
        "lock = Vault(pathlib.Path(sys.argv[1])).acquire(sys.argv[2])\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(files.directory), URL],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(Busy, match="another process holds"):
            files.acquire(URL, 0.1)
        files.release(files.acquire("https://other.worksection.com", 0.1))
        holder.kill()
        holder.wait()
        files.release(files.acquire(URL, 10))


def test_the_file_says_nothing_that_was_not_asked_for(files: Vault) -> None:
    files.store(LOGIN)
    record = json.loads(only_file(files).read_text())
    assert set(record) == {"account", "kind", "user", "stored", "ends", "id", "place", "kept", "secret"}


def test_a_plaintext_or_missing_keyring_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring
    from keyring.backends import fail, null

    for kind in (fail.Keyring, null.Keyring):
        monkeypatch.setattr(keyring, "get_keyring", kind)
        assert secrets.system_ring() is None

    class Good:
        priority = 5
        name = "Secret Service"

    monkeypatch.setattr(keyring, "get_keyring", Good)
    ring = secrets.system_ring()
    assert ring is not None and ring.name == "Secret Service"
