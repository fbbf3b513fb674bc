"""The life of a spooled node: its states, what can happen to it, and the one table that says what follows.

A file is made `OPEN`; the last release of a handle that may write makes it `SETTLING` (or `LOCAL`, where its
name is one that is never uploaded, or `INTERRUPTED`, where its writer was killed). A batch takes it to
`SENDING`; a definite success to `SENT`, and once the drive has taken the attachment in its stead it is
`DROPPED`. A directory begins at `SETTLING` or `LOCAL`.

Where nobody knows whether the service took a batch, it is `UNKNOWN` until that is found out: then it is `SENT`,
or settles again, or, where that can't be found out, is `QUARANTINED`.

A state is on disk before the act that it names. So what a start finds tells what may have happened: `OPEN`
was being written, `SENDING` and `UNKNOWN` may have arrived, `SENT` has.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a spooled node is in its life; the values are what the journal holds."""

    OPEN = "open"
    SETTLING = "settling"
    SENDING = "sending"
    UNKNOWN = "unknown"
    SENT = "sent"
    INTERRUPTED = "interrupted"
    QUARANTINED = "quarantined"
    LOCAL = "local"
    DROPPED = "dropped"


class Event(StrEnum):
    """What happens to a spooled node."""

    WRITTEN = "its content is changed"
    CLOSED = "the last writer closed it"
    CLOSED_LOCAL = "the last writer closed it, and its name is never uploaded"
    KILLED = "its writer was killed"
    FELL = "a start finds it open"
    NAMED = "it gets a name that is uploaded"
    HIDDEN = "it gets a name that is never uploaded"
    REMOVED = "it is deleted, or another is renamed over it"
    CLAIMED = "a batch takes it"
    NOT_SENT = "the batch was not sent, and can be sent again"
    SUPERSEDED = "the batch was not sent, and a newer version has its name"
    REFUSED = "the service refused the batch for good"
    UNCERTAIN = "nobody knows whether the service took it"
    UNDECIDED = "it can't be found out whether the service took it, or what became of it"
    OMITTED = "the service took the batch without it"
    POSTED = "the service took the batch"
    TAKEN = "the drive shows the attachment in its stead"
    HELD = "a person holds it back"
    RETRIED = "a person asks to send it after all"


TABLE: Mapping[tuple[State, Event], State] = MappingProxyType(
    {
        (State.OPEN, Event.WRITTEN): State.OPEN,
        (State.OPEN, Event.CLOSED): State.SETTLING,
        (State.OPEN, Event.CLOSED_LOCAL): State.LOCAL,
        (State.OPEN, Event.KILLED): State.INTERRUPTED,
        (State.OPEN, Event.FELL): State.INTERRUPTED,
        (State.OPEN, Event.REMOVED): State.DROPPED,
        (State.SETTLING, Event.WRITTEN): State.OPEN,
        (State.SETTLING, Event.HIDDEN): State.LOCAL,
        (State.SETTLING, Event.FELL): State.INTERRUPTED,
        (State.SETTLING, Event.REMOVED): State.DROPPED,
        (State.SETTLING, Event.CLAIMED): State.SENDING,
        (State.SETTLING, Event.REFUSED): State.QUARANTINED,
        (State.SETTLING, Event.HELD): State.INTERRUPTED,
        (State.LOCAL, Event.WRITTEN): State.OPEN,
        (State.LOCAL, Event.NAMED): State.SETTLING,
        (State.LOCAL, Event.KILLED): State.INTERRUPTED,
        (State.LOCAL, Event.FELL): State.INTERRUPTED,
        (State.LOCAL, Event.REMOVED): State.DROPPED,
        (State.SENDING, Event.WRITTEN): State.OPEN,
        (State.SENDING, Event.NOT_SENT): State.SETTLING,
        (State.SENDING, Event.SUPERSEDED): State.DROPPED,
        (State.SENDING, Event.REFUSED): State.QUARANTINED,
        (State.SENDING, Event.UNCERTAIN): State.UNKNOWN,
        (State.SENDING, Event.POSTED): State.SENT,
        (State.UNKNOWN, Event.WRITTEN): State.OPEN,
        (State.UNKNOWN, Event.NOT_SENT): State.SETTLING,
        (State.UNKNOWN, Event.SUPERSEDED): State.DROPPED,
        (State.UNKNOWN, Event.UNDECIDED): State.QUARANTINED,
        (State.UNKNOWN, Event.POSTED): State.SENT,
        (State.SENT, Event.WRITTEN): State.OPEN,
        (State.SENT, Event.OMITTED): State.SETTLING,
        (State.SENT, Event.SUPERSEDED): State.DROPPED,
        (State.SENT, Event.UNDECIDED): State.QUARANTINED,
        (State.SENT, Event.TAKEN): State.DROPPED,
        (State.INTERRUPTED, Event.WRITTEN): State.OPEN,
        (State.INTERRUPTED, Event.REMOVED): State.DROPPED,
        (State.INTERRUPTED, Event.RETRIED): State.SETTLING,
        (State.QUARANTINED, Event.WRITTEN): State.OPEN,
        (State.QUARANTINED, Event.FELL): State.INTERRUPTED,
        (State.QUARANTINED, Event.REMOVED): State.DROPPED,
        (State.QUARANTINED, Event.RETRIED): State.SETTLING,
    }
)
"""What follows. A pair that isn't in here can't happen, and to ask for it is a mistake of the program."""

IN_FLIGHT = frozenset({State.SENDING, State.UNKNOWN, State.SENT})
"""The states in which a file can't be taken back: it can't be renamed, nor deleted."""


class IllegalTransition(Exception):  # noqa: N818 - says what happened
    """An event that can't happen in this state: a mistake of the program."""


def after(state: State, event: Event) -> State:
    """The state that follows `event` in `state`; IllegalTransition where the table has none."""
    try:
        return TABLE[state, event]
    except KeyError:
        raise IllegalTransition(f"{event.name} can't happen to a node that is {state}") from None
