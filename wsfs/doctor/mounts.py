"""The drives that are mounted: whether each answers, what it complains of, and of which version it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wsfs import __version__
from wsfs.doctor.findings import Finding, bad, good, note


def check_mount(state: Mapping[str, Any]) -> Iterator[Finding]:
    """What a mount's status says (see Commands.status), or the `error` that stands in its stead."""
    check = f"drive at {state.get('mountpoint', '?')}"
    if error := state.get("error"):
        said, _, cure = str(error).partition("; ")
        yield bad(check, said, cure or "look into its log with `wsfs log`, and mount it again")
        return
    complaints = list(_complaints(check, state))
    yield from complaints
    if not complaints:
        yield good(check, "it answers, and has nothing to complain of")


def _complaints(check: str, state: Mapping[str, Any]) -> Iterator[Finding]:
    login = _part(state, "login")
    if login.get("state", "good") != "good":
        yield bad(check, str(login.get("message") or "its login has ended"), "log in again with `wsfs login`")
    known = _part(state, "account_known")
    if known.get("mode") == "offline":
        yield bad(
            check,
            f"it is offline ({known.get('error') or 'no answer'}), and shows what it knew",
            "look at the network; it goes on by itself once that is back",
        )
    if _part(state, "uploads").get("attention"):
        yield bad(
            check,
            "it holds files that can't be uploaded without you",
            "`wsfs uploads` says why, and how each can be sent, saved or deleted",
        )
    version = state.get("version")
    if version and version != __version__:
        yield note(
            check,
            f"it runs version {version}, and {__version__} is installed",
            f"mount it again: `wsfs umount {state.get('mountpoint')}`, then `wsfs mount`",
        )


def _part(state: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = state.get(name)
    return found if isinstance(found, Mapping) else {}
