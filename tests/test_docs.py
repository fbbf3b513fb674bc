"""The documents can be followed: links lead somewhere, and every command in them is one that wsfs has."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from wsfs.cli import main as group
from wsfs.config import OPTIONS, ConfigError, parse_mount_options

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "packaging").glob("*.md")])
FOR_USERS = sorted((ROOT / "docs").glob("*.md"))


def named(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in paths]


def tokens_of(text: str) -> list[Token]:
    """All tokens of a document, those inside paragraphs and cells too."""
    found: list[Token] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        found += [token, *(token.children or ())]
    return found


# Links


def links_of(text: str) -> list[str]:
    """Where the links and pictures of a document lead that stay within the documents."""
    targets = [token.attrGet("href") or token.attrGet("src") for token in tokens_of(text)]
    return [str(target) for target in targets if target and not re.match(r"[a-z]+:", str(target))]


def anchors_of(text: str) -> set[str]:
    """The names by which a document's headings can be led to, as they are made of the heading's text."""
    parsed = MarkdownIt("commonmark").enable("table").parse(text)
    headings = [parsed[index + 1] for index, token in enumerate(parsed) if token.type == "heading_open"]
    texts = ["".join(child.content for child in heading.children or ()) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}


@pytest.mark.parametrize("page", named(PAGES))
def test_links_lead_somewhere(page: Path) -> None:
    for link in links_of(page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        assert target.is_relative_to(ROOT), f"{link} leads out of the project"
        if anchor:
            assert anchor in anchors_of(target.read_text()), f"{link}: there is no such heading"


def test_every_page_for_users_can_be_reached_from_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    reached = {(index.parent / link.partition("#")[0]).resolve() for link in links_of(index.read_text())}
    assert set(FOR_USERS) - {index} <= reached
    assert index in {
        (ROOT / link.partition("#")[0]).resolve() for link in links_of((ROOT / "README.md").read_text())
    }


# Commands


def commands_of(text: str) -> Iterator[str]:
    """The commands that run wsfs, in blocks of code and in sentences; what follows a # is a remark."""
    for token in tokens_of(text):
        if token.type == "fence" and token.info in ("sh", "console"):
            yield from _wsfs_in(token.content.replace("\\\n", " "))
        elif token.type == "code_inline":
            yield from _wsfs_in(token.content)


def _wsfs_in(code: str) -> Iterator[str]:
    for line in re.sub(r"\s#\s.*", "", code, flags=re.MULTILINE).splitlines():
        for part in re.split(r"&&|\|\|?|;|>|(?<!\$)\(", line):
            match = re.match(
                r"\s*(?:\$ |# )?(?:sudo (?:-u \S+ )?)?(?:[A-Z_]+=\S* )*(?:scripts/)?(wsfs(?: .*)?)$", part
            )
            if match:
                yield match[1].strip()


def judge(command: str) -> str | None:
    """What is wrong with a command, by its name and options; None where nothing is."""
    words = shlex.split(command)[1:]
    at: click.Command = group
    context = click.Context(group, info_name="wsfs", **group.context_settings)
    while words and isinstance(at, click.Group) and not words[0].startswith("-"):
        below = at.get_command(context, words[0])
        if below is None:
            # A name in capitals stands for any; a group may take other words than commands.
            return None if words[0].isupper() else f"there is no command {words[0]}"
        context = click.Context(below, parent=context, info_name=words.pop(0))
        at = below
    known = {name for one in at.get_params(context) for name in (*one.opts, *one.secondary_opts)}
    for index, word in enumerate(words):
        if word.startswith("-") and word != "--" and word.partition("=")[0] not in known:
            return f"{context.command_path} has no option {word}"
        if word == "-o" and index + 1 < len(words) and "…" not in words[index + 1]:
            try:
                parse_mount_options(words[index + 1])
            except ConfigError as error:
                return str(error)
    return None


@pytest.mark.parametrize("page", named(PAGES))
def test_commands_are_those_of_wsfs(page: Path) -> None:
    wrong = {command: said for command in commands_of(page.read_text()) if (said := judge(command))}
    assert not wrong


def test_what_is_looked_at() -> None:
    text = "Do `wsfs flush` or\n```sh\nsudo wsfs mount acme /mnt -o ro   # look\nls && wsfs status --json | less\n```\n"
    assert list(commands_of(text)) == ["wsfs flush", "wsfs mount acme /mnt -o ro", "wsfs status --json"]
    assert judge("wsfs mount acme ~/Worksection -o done=mixed,ro --rate 1") is None
    assert judge("wsfs --version") is None
    assert "no command" in str(judge("wsfs mnt acme"))
    assert "no option --jsn" in str(judge("wsfs status --jsn"))
    assert "no option dne" in str(judge("wsfs mount acme /mnt -o dne=mixed"))


def test_scripts_that_are_named_are_there() -> None:
    for page in PAGES:
        for name in re.findall(r"(?<![\w/.])scripts/[a-z]+", page.read_text()):
            assert (ROOT / name).exists(), f"{name} in {page}"


# Settings


def test_every_setting_is_explained_and_every_explained_one_is_there() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    named_in_tables = set[str]()
    for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE):
        for code in re.findall(r"`([^`]+)`", row):
            named_in_tables.add(code.partition("=")[0].lstrip("-").replace("-", "_"))
    assert set(OPTIONS) <= named_in_tables


@pytest.mark.parametrize("page", named(PAGES))
def test_blocks_of_settings_can_be_read(page: Path, tmp_path: Path) -> None:
    """What stands in a block of TOML is taken by `wsfs config`, which names what it doesn't know."""
    import tomllib

    for token in tokens_of(page.read_text()):
        if token.type == "fence" and token.info == "toml":
            tables = tomllib.loads(token.content)
            for table in (tables.get("defaults", {}), *tables.get("accounts", {}).values()):
                strange = set(table) - set(OPTIONS) - {"address", "api_key", "access_token"}
                assert strange <= {"client_id", "client_secret", "login_port", "authors"}


@pytest.mark.parametrize("page", named(PAGES))
def test_blocks_for_the_shell_are_no_nonsense_to_it(page: Path) -> None:
    for token in tokens_of(page.read_text()):
        if token.type == "fence" and token.info == "sh":
            done = subprocess.run(
                ["bash", "-n"], input=token.content, text=True, capture_output=True, check=False
            )
            assert not done.stderr, token.content
