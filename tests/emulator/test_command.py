"""`wsfs emulator` as a process."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from wsfs.cli.certificate import make
from wsfs.cli.emulator import emulator
from wsfs.emulator.testing import running_process


def test_the_demo_account_until_ctrl_c() -> None:
    with running_process() as process:
        assert process.url.startswith("http://127.0.0.1:")
        assert len(process.api_key) == 32
        files = process.files()
        assert len(files) > 100
        project = files[0]["project"]["id"]
        made = process.act(
            "add_task",
            project=project,
            name="Here",
            user="marta@example.com",
            files=[{"name": "a", "text": "b"}],
        )
        assert [file["task"]["name"] for file in process.files() if file["id"] == made["files"][0]] == [
            "Here"
        ]
        process.arm("500:get_projects:1")
        url = f"{process.url}/api/oauth2?action=get_projects&access_token={process.token}"
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(url)
        assert [seen["result"] for seen in process.requests()] == ["fault 500"]
        with pytest.raises(ValueError, match="no fault is named"):
            process.arm("nothing")
        process.arm({"name": "hang", "action": "download", "parameters": {"id_file": files[0]["id"]}})
        url = f"{process.url}/api/oauth2?action=download&access_token={process.token}&id_file="
        with pytest.raises(TimeoutError):
            urllib.request.urlopen(f"{url}{files[0]['id']}", timeout=0.5)
        with urllib.request.urlopen(f"{url}{files[1]['id']}", timeout=20) as answer:
            assert len(answer.read()) == files[1]["size"]
        process.clear_faults()
        assert process.stop() == 0


def test_what_it_prints_for_people() -> None:
    command = [sys.executable, "-m", "wsfs", "emulator", "--port", "0", "--scale", "2,3,1", "--seed", "5"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline().strip() for _ in range(5)]
    process.terminate()
    rest = process.communicate(timeout=10)[0]
    assert process.returncode == 0
    assert rest == ""
    assert lines[0].startswith("Worksection account at http://127.0.0.1:")
    assert lines[1].startswith("API key")
    assert lines[2].startswith("user token")
    assert lines[3].startswith("OAuth2")
    assert lines[4] == "Ctrl-C ends it."


def test_options_reach_the_emulator() -> None:
    with running_process(
        "--scale", "1,1,1", "--no-ranges", "--auth", "hash", "--api-key", "a" * 32
    ) as process:
        assert process.api_key == "a" * 32
        assert next(file["size"] for file in process.files()) > 0
        url = f"{process.url}/api/oauth2?action=get_projects&access_token={process.token}"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(url)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scale", "1,2"], "three numbers"),
        (["--scale", "1,2,x"], "three numbers"),
        (["--files", "a,1"], "a number of files"),
        (["--files", "a,1,-1"], "a number of files"),
        (["--fault", "nothing"], "no fault is named"),
        (["--fault", "slow"], "needs a number"),
        (["--auth", "magic"], "magic"),
    ],
)
def test_wrong_options(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(emulator, arguments)
    assert result.exit_code == 2
    assert words in result.output


def test_a_taken_port_is_one_sentence() -> None:
    with running_process("--scale", "1,1,1") as process:
        port = process.url.rpartition(":")[2]
        result = CliRunner().invoke(emulator, ["--port", port, "--scale", "1,1,1"])
    assert result.exit_code == 1
    assert f"can't listen on 127.0.0.1:{port}" in result.output
    assert "Traceback" not in result.output


def test_it_serves_https(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = make(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = ("--tls-cert", str(certificate), "--tls-key", str(key))
    with running_process("--scale", "1,1,1", *tls) as process:
        assert process.url.startswith("https://127.0.0.1:")
        assert len(process.files()) == 1


def test_a_certificate_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    certificate, _ = make(tmp_path)
    tls = ["--scale", "1,1,1", "--port", "0", "--tls-cert", str(certificate), "--tls-key"]
    for wrong in (tmp_path / "missing", certificate):
        result = CliRunner().invoke(emulator, [*tls, str(wrong)])
        assert result.exit_code == 1
        assert "the certificate or its key can't be used" in result.output
    result = CliRunner().invoke(emulator, ["--tls-cert", str(certificate)])
    assert result.exit_code == 2 and "together" in result.output


def test_files_of_given_sizes() -> None:
    with running_process("--files", "one,1,3000000", "--files", "many,3,1000") as process:
        assert [(file["task"]["name"], file["size"]) for file in process.files()] == [
            ("one", 3_000_000),
            *(3 * [("many", 1_000)]),
        ]


def test_quirks_reach_the_answers() -> None:
    with running_process("--scale", "1,1,0", "--quirk", "missing-lists", "--quirk", "numbers") as process:
        query = f"action=get_all_tasks&extra=files&access_token={process.token}"
        with urllib.request.urlopen(f"{process.url}/api/oauth2?{query}") as answer:
            (task,) = json.load(answer)["data"]
        assert isinstance(task["id"], int)
        assert "files" not in task


def test_the_faults_are_listed() -> None:
    result = CliRunner().invoke(emulator, ["--fault", "list"])
    assert result.exit_code == 0
    assert "late-commit:N" in result.output
