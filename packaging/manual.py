"""Writes wsfs's manual pages and completions, from the command line's own definitions: manual.py DIRECTORY

DIRECTORY/man gets wsfs.1, a page for each command, wsfs.conf.5 (of docs/configuration.md) and mount.fuse.wsfs.8 (of
packaging/mount.fuse.wsfs.md); DIRECTORY/completion gets bash, zsh and fish. SOURCE_DATE_EPOCH dates the pages.
"""

from __future__ import annotations

import datetime
import inspect
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import ZshComplete

sys.path.insert(0, str(Path(__file__).resolve().parent))

import roff

from wsfs import __version__
from wsfs.cli import main as group
from wsfs.cli.completion import Bash, Fish

ROOT = Path(__file__).resolve().parent.parent

PAGES_OF_DOCUMENTS = (
    ("wsfs.conf", 5, "settings of wsfs", ROOT / "docs" / "configuration.md"),
    (
        "mount.fuse.wsfs",
        8,
        "mount a Worksection account by mount(8) or fstab(5)",
        ROOT / "packaging" / "mount.fuse.wsfs.md",
    ),
)
FILES = """\
| | |
| --- | --- |
| `~/.config/wsfs/config.toml`, `/etc/wsfs/config.toml` | the settings; see `wsfs.conf`(5) |
| `~/.local/share/wsfs/HOST` | what is known of an account, and what isn't uploaded yet: don't delete it |
| `~/.cache/wsfs/HOST` | downloaded content |
"""
ENVIRONMENT = """\
| | |
| --- | --- |
| `WSFS_API_KEY`, `WSFS_ACCESS_TOKEN` | the login of an account, before every other |
| `WSFS_NAME` | the setting of that name; see `wsfs.conf`(5) |
"""


def completions() -> dict[str, str]:
    """The completion of each shell: what it says is asked of wsfs itself while a person types."""
    shells = {"bash": Bash, "zsh": ZshComplete, "fish": Fish}
    return {name: shell(group, {}, "wsfs", "_WSFS_COMPLETE").source() for name, shell in shells.items()}


def pages(date: str) -> Iterator[tuple[str, str]]:
    """The name of each manual page's file, and its text."""
    commands = list(_commands(group, "wsfs"))
    names = [name.replace(" ", "-") for name, _, _ in commands]
    for name, command, context in commands:
        yield f"{name.replace(' ', '-')}.1", _page(name, command, context, date, names)
    for name, number, summary, path in PAGES_OF_DOCUMENTS:
        lines = roff.heading(name, number, summary, date, __version__)
        lines += [roff.section("description"), *roff.from_markdown(path.read_text(encoding="utf-8"))]
        yield (
            f"{name}.{number}",
            _text([*lines, *_see_also(["wsfs(1)", "wsfs-mount(1)", "wsfs.conf(5)"], f"{name}({number})")]),
        )


def _commands(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[tuple[str, click.Command, click.Context]]:
    """A command and those below it, with their whole names."""
    settings = command.context_settings
    context = click.Context(command, parent=parent, info_name=name.rpartition(" ")[2], **settings)
    yield name, command, context
    if isinstance(command, click.Group):
        for one in command.list_commands(context):
            below = command.get_command(context, one)
            if below is not None and not below.hidden:
                yield from _commands(below, f"{name} {one}", context)


def _page(name: str, command: click.Command, context: click.Context, date: str, names: list[str]) -> str:
    dashed = name.replace(" ", "-")
    summary = command.get_short_help_str(200).rstrip(".")
    lines = roff.heading(
        dashed, 1, summary[:1].lower() + summary[1:] if name != "wsfs" else summary, date, __version__
    )
    pieces = [
        roff.italic(piece) if piece.startswith("[") or piece.isupper() else roff.escaped(piece)
        for piece in command.collect_usage_pieces(context)
    ]
    lines += [roff.section("synopsis"), " ".join([roff.bold(name), *pieces])]
    lines += [roff.section("description"), *_help(command.help or "")]
    options = [record for one in command.get_params(context) if (record := one.get_help_record(context))]
    if options:
        lines.append(roff.section("options"))
        for flags, meaning in options:
            if meaning or flags.startswith("-"):
                lines += roff.tagged(_flags(flags), [roff.line(roff.with_code(meaning))])
    below = [(other, help_text) for other, help_text in _below(command, context)]
    if below:
        lines.append(roff.section("commands"))
        for other, help_text in below:
            lines += roff.tagged(
                f"{roff.bold(f'{dashed}-{other}')}(1)", [roff.line(roff.with_code(help_text))]
            )
    if name == "wsfs":
        lines += [roff.section("files"), *roff.from_markdown(FILES)]
        lines += [roff.section("environment"), *roff.from_markdown(ENVIRONMENT)]
    others = [f"{one}(1)" for one in names if one.count("-") <= 1] if name == "wsfs" else ["wsfs(1)"]
    return _text([*lines, *_see_also([*others, "wsfs.conf(5)", "mount.fuse.wsfs(8)"], f"{dashed}(1)")])


def _flags(text: str) -> str:
    """An option as it is written, its value in italics."""
    words = [roff.italic(word) if word.isupper() else roff.bold(word) for word in text.split()]
    return " ".join(words)


def _below(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield name, below.get_short_help_str(200)


def _help(text: str) -> Iterator[str]:
    """A command's help; its paragraphs that begin with a \\b are kept as they are."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b\n"):
            yield from roff.example(paragraph[2:])
        elif paragraph:
            yield ".PP"
            yield from (roff.line(roff.with_code(one)) for one in [" ".join(paragraph.split())])


def _see_also(others: list[str], this: str) -> list[str]:
    marked = [f"{roff.bold(one.partition('(')[0])}({one.partition('(')[2]}" for one in others if one != this]
    return [roff.section("see also"), ",\n".join(dict.fromkeys(marked))]


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: manual.py DIRECTORY")
    directory = Path(sys.argv[1])
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", datetime.datetime.now().timestamp()))
    date = datetime.datetime.fromtimestamp(epoch, datetime.UTC).date().isoformat()
    (directory / "man").mkdir(parents=True, exist_ok=True)
    (directory / "completion").mkdir(parents=True, exist_ok=True)
    for name, text in pages(date):
        (directory / "man" / name).write_text(text, encoding="utf-8")
    for name, text in completions().items():
        (directory / "completion" / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
