from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]
KEY = "7776461cd931e7b1c8e9632ff8e979ce"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's file, which isn't there yet; the system's never is."""
    monkeypatch.setattr("wsfs.config.files.SYSTEM_FILE", tmp_path / "none.toml")
    monkeypatch.setattr("wsfs.config.credentials.SYSTEM_LOGINS", tmp_path / "logins")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "300")
    for name in ("WSFS_API_KEY", "WSFS_ACCESS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "wsfs").mkdir()
    return tmp_path / "wsfs/config.toml"


def written(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def test_what_is_in_force_and_where_from(wsfs: Run, files: Path) -> None:
    written(files, f"[accounts.acme]\ndone = 'hide'\napi_key = '{KEY}'\n[accounts.firm]\naddress = 'other'\n")
    result = wsfs("config", "acme", "-o", "poll=60")
    assert result.exit_code == 0
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in result.stdout.splitlines() if line}
    assert rows["done"] == f"hide {files} line 2, in [accounts.acme]"
    assert rows["poll"] == "60 -o poll"
    assert rows["cache_size"] == "5.0 GiB default"
    assert rows["login"] == f"an API key {files} line 3, in [accounts.acme]"
    assert "firm" not in result.stdout
    assert KEY not in result.output
    both = wsfs("config").stdout
    assert "https://acme.worksection.com" in both and "https://other.worksection.com" in both


def test_for_programs(wsfs: Run, files: Path) -> None:
    written(files, "[accounts.acme]\ndone = 'hide'\n")
    told = json.loads(wsfs("config", "--json").stdout)
    assert [file["there"] for file in told["files"]] == [True, False]
    [account] = told["accounts"]
    assert (account["account"], account["address"]) == ("acme", "https://acme.worksection.com")
    [done] = [line for line in account["settings"] if line["name"] == "done"]
    assert (done["value"], done["path"], done["line"]) == ("hide", str(files), 2)
    assert told["problems"] == []


def test_what_is_wrong_is_named_with_file_and_line(wsfs: Run, files: Path) -> None:
    written(files, "[accounts.acme]\ndone = 'hide'\n[accounts.other]\ndone = 'never'\n")
    result = wsfs("config", "acme")
    assert result.exit_code == 1
    assert "acme.worksection.com" in result.stdout
    assert f"{files} line 4" in result.stderr
    written(files, "[accounts.acme\n")
    result = wsfs("config")
    assert result.exit_code == 1
    assert result.stderr.count("isn't valid TOML") == 1


def test_nothing_known_is_said(wsfs: Run) -> None:
    result = wsfs("config")
    assert result.exit_code == 0
    assert "No account is known" in result.stdout


def test_of_a_mount_of_the_system(wsfs: Run, files: Path) -> None:
    written(files, "[accounts.acme]\ndone = 'hide'\n")
    told = wsfs("config", "acme", "--system").stdout
    assert "/var/lib/wsfs/acme.worksection.com" in told
    assert "hide" not in told
