"""The status of a drive as a person sees it: a line or a few for each thing that one may want to know.

Everything is taken as something that may be missing: a running mount may be of another version.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from wsfs.cli.flushing import count, shown
from wsfs.cli.words import ago, clock, joined, moment, size, span

State = Mapping[str, Any]
Row = tuple[str, RenderableType]

BAR = 24
LISTED = 6
_LANES = {
    "person": "a person's",
    "upload": "an upload's",
    "refresh": "a look for changes",
    "background": "the background's",
}
_WAITING = {
    "person": "of a person",
    "upload": "of uploads",
    "refresh": "to keep fresh",
    "background": "in the background",
}
# Without those whose bytes are leaving, and those that need a person: they have lines of their own.
_PENDING = {
    "open": "still being written",
    "settling": "about to go",
    "sent": "arriving",
    "unknown": "being looked for, as the connection was lost",
}


def view(state: State, now: datetime.datetime) -> RenderableType:
    """One drive, its `error` alone where nobody told its status."""
    head = Text(shown(str(state["mountpoint"])), style="bold")
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, told in rows(state, now):
        table.add_row(f"  {label}", told)
    return Group(head, table)


def rows(state: State, now: datetime.datetime) -> Iterator[Row]:
    """What is told of a drive, by label."""
    if "error" in state:
        yield "error", Text(shown(str(state["error"])), style="red")
        return
    yield "account", account(state)
    for part, tell in (
        ("login", login),
        ("uploads", uploads),
        ("requests", requests),
        ("fresh", freshness),
        ("cache", cache),
    ):
        told = tell(state, now)
        if told is not None:
            yield part, told
    yield from troubles(state, now)


def account(state: State) -> Text:
    """Whose account it is, and as whom."""
    address = str(state.get("account", "?"))
    user = str(_part(state, "login").get("user") or "")
    read_only = "read-only" if state.get("read_only") else ""
    ending = "unmounted, and still sending" if state.get("unmounted") else ""
    return Text(shown(joined(urlsplit(address).netloc or address, user, read_only, ending)))


def login(state: State, now: datetime.datetime) -> Text | None:
    """What a person has to do about the login, or when it ends; nothing for one that is good and doesn't end."""
    told = _part(state, "login")
    message = shown(str(told.get("message") or ""))
    if told.get("state", "good") != "good":
        return Text(message or "log in again with `wsfs login`", style="red")
    ends = moment(told.get("ends_unless_used"))
    until = f"good until {ends:%d %b %Y}, longer with each use" if ends is not None else ""
    if message:
        return Text(joined(message, until), style="yellow")
    return Text(until) if until else None


def uploads(state: State, now: datetime.datetime) -> RenderableType | None:
    """What isn't on the server, how far it is, and what a person has to see to."""
    told = _part(state, "uploads")
    files, bytes_ = int(told.get("files") or 0), int(told.get("bytes") or 0)
    attention = int(told.get("attention") or 0)
    if not files and not attention:
        return Text("everything is on the server")
    lines: list[RenderableType] = []
    done, speed = int(told.get("bytes_done") or 0), float(told.get("speed") or 0)
    left = int(told.get("bytes_left") or 0)
    counts = {str(name): int(number) for name, number in _part(told, "counts").items() if number}
    words = [
        f"{count(files, 'file')} not there yet",
        f"{size(done)} of {size(bytes_)}" if done else size(bytes_),
        f"{size(speed)}/s" if speed else "",
        f"{span(left / speed)} left" if speed and left else "",
    ]
    lines.append(Text(joined(*words)))
    if done:
        lines.append(bar(done, bytes_))
    current = [item for item in told.get("current") or () if isinstance(item, Mapping)]
    for item in current[:LISTED]:
        lines.append(_transfer(item))
    if len(current) > LISTED:
        lines.append(Text(f"and {len(current) - LISTED} more", style="dim"))
    waiting = ", ".join(f"{counts[name]} {words}" for name, words in _PENDING.items() if name in counts)
    if waiting:
        lines.append(Text(waiting, style="dim"))
    if message := shown(str(told.get("message") or "")):
        again = told.get("again_in")
        next_try = f"next try in {span(float(again))}" if isinstance(again, int | float) else ""
        lines.append(Text(joined(message, next_try), style="yellow"))
    if attention:
        verb = "needs" if attention == 1 else "need"
        lines.append(Text(f"{attention} {verb} you: `wsfs uploads` says why", style="red"))
    return Group(*lines)


def requests(state: State, now: datetime.datetime) -> Text | None:
    """The lanes: whose turn is next and when, who waits, and how fast it goes."""
    told = _part(state, "requests")
    if not told:
        return None
    upcoming = _part(told, "next")
    lane, seconds = upcoming.get("lane"), float(upcoming.get("seconds") or 0)
    when = f"in {span(seconds)}" if seconds >= 0.05 else "now"
    if lane is not None:
        turn = f"next turn: {_LANES.get(str(lane), lane)}, {when}"
    else:
        turn = "nobody waits" + (f", next turn {when}" if seconds >= 0.05 else "")
    waiting = ", ".join(
        f"{number} {_WAITING.get(str(name), name)}"
        for name, number in _part(told, "waiting").items()
        if number
    )
    held = float(told.get("held_for") or 0)
    rate, lower = told.get("rate"), told.get("background_rate")
    slower = f"all but a person's slowed down to {lower:g}" if _less(lower, rate) else ""
    text = Text(joined(turn, f"waiting: {waiting}" if waiting else "", f"{told.get('sent', 0)} sent"))
    if held or slower:
        pause = f"Worksection asked for a pause of {span(held)}" if held else ""
        text.append(f"\n{joined(pause, slower)}", style="yellow")
    return text


def freshness(state: State, now: datetime.datetime) -> Text | None:
    """How old what is shown may be, and how much is known."""
    told = _part(state, "account_known")
    if not told:
        return None
    mode, error = told.get("mode"), shown(str(told.get("error") or ""))
    text = Text()
    if mode == "offline":
        since = clock(told.get("offline_since"), now)
        text.append(joined(f"offline since {since}; what was known is shown", error), style="yellow")
    elif mode == "login refused":
        text.append(joined("no news, as the login isn't accepted", error), style="red")
    elif mode == "full loads":
        text.append(f"all is read every ten minutes, last {ago(told.get('last_load'), now)}")
        text.append(f" · events are refused: {shown(str(told.get('events_refused') or ''))}", style="dim")
    else:
        interval = told.get("poll_interval")
        again = f"every {span(float(interval))}" if isinstance(interval, int | float) else ""
        text.append(joined(f"looked for changes {ago(told.get('last_poll'), now)}", again))
    known, crawl = _part(told, "known"), _part(told, "crawl")
    left = int(crawl.get("left") or 0)
    parts = [
        count(int(known.get("projects") or 0), "project"),
        count(int(known.get("tasks") or 0), "task"),
        f"{count(left, 'directory', 'directories')} to be filled in" if left and crawl.get("on") else "",
        f"{told['to_read_again']} to be read again" if told.get("to_read_again") else "",
    ]
    text.append(f"\n{joined(*parts)}", style="dim")
    return text


def cache(state: State, now: datetime.datetime) -> RenderableType | None:
    """How full the cache is, and what is kept in it for good."""
    told = _part(state, "cache")
    if "limit" not in told:
        return None
    used, limit = int(told.get("used") or 0), int(told["limit"] or 0)
    missing = int(told.get("to_be_fetched") or 0)
    pinned = int(told.get("pinned") or 0)
    reads = int(told.get("hits") or 0) + int(told.get("misses") or 0)
    words = joined(
        f"{size(used)} of {size(limit)}",
        count(int(told.get("files") or 0), "file"),
        f"{pinned} kept offline" + (f", {missing} still to be fetched" if missing else "") if pinned else "",
        f"{count(int(told['streams']), 'download')} running" if told.get("streams") else "",
        f"{100 * int(told.get('hits') or 0) // reads} % of reads from here" if reads else "",
    )
    return Group(Text(words), bar(used, limit))


def troubles(state: State, now: datetime.datetime) -> Iterator[Row]:
    """The last errors, the newest first, those that are over paler."""
    found = [item for item in state.get("troubles") or () if isinstance(item, Mapping)]
    if not found:
        return
    table = Table.grid(padding=(0, 1))
    for _ in range(2):
        table.add_column(overflow="fold")
    for item in found[:LISTED]:
        times = int(item.get("count") or 1)
        words = joined(
            f"{item.get('doing', '?')}: {item.get('message', '?')}",
            f"{times} times" if times > 1 else "",
            "worked since" if item.get("over") else "",
        )
        style = "dim" if item.get("over") else "red"
        table.add_row(Text(clock(item.get("time"), now), style="dim"), Text(shown(words), style=style))
    yield "errors", table


def not_mounted(accounts: Sequence[str]) -> Text:
    """The accounts that there is a login to, and no drive of."""
    return Text(f"Not mounted: {', '.join(map(shown, accounts))}", style="dim")


def bar(done: float, total: float) -> Text:
    """How much of `total` is done; it can be told without colours too."""
    filled = round(BAR * min(done / total, 1.0)) if total else 0
    return Text.assemble(("━" * filled, "cyan"), ("─" * (BAR - filled), "dim"))


def _transfer(item: State) -> Text:
    done, total = int(item.get("bytes_done") or 0), int(item.get("size") or 0)
    return Text.assemble(
        "↑ ", bar(done, total), f" {size(done)} of {size(total)}  {shown(str(item.get('path', '?')))}"
    )


def _part(state: State, name: str) -> State:
    found = state.get(name)
    return found if isinstance(found, Mapping) else {}


def _less(lower: object, rate: object) -> bool:
    return isinstance(lower, int | float) and (not isinstance(rate, int | float) or lower < 0.99 * rate)
