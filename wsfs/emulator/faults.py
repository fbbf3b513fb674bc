"""Faults on demand: what a network and a service can do to a request, armed from tests or by `--fault`."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import trio

POSTS = "post_*"
DOWNLOAD = "download"


@dataclass(frozen=True)
class Kind:
    """A kind of fault: what it does, the actions it is for by default, and whether it joins others."""

    does: str
    actions: str = "*"
    joins: bool = False  # it only shapes what happens, so that it can come together with others
    value: str = ""  # what its number means; it then has one
    default: float = 0.0


KINDS: dict[str, Kind] = {
    "429": Kind("HTTP 429"),
    "429-retry-after": Kind("HTTP 429 with Retry-After", value="seconds", default=1),
    "429-json": Kind("HTTP 200 with the error Too many requests"),
    "500": Kind("HTTP 500 with a page of HTML"),
    "garbage": Kind("HTTP 200 with a page of HTML in place of the answer"),
    "expired-token": Kind("HTTP 401, token is expired"),
    "denied": Kind("the error Access denied"),
    "storage-full": Kind("the error that the account's storage is full", POSTS),
    "too-large": Kind("HTTP 413", POSTS),
    "reset": Kind("the connection is reset; of an upload, while its body is sent; nothing was taken"),
    "hang": Kind("no answer until released, or for ever; nothing was taken"),
    "lost-reply": Kind("everything is done, and the connection reset in place of the answer", POSTS),
    "late-commit": Kind(
        "the upload is taken, the connection reset, and it is done later", POSTS, value="seconds"
    ),
    "truncate": Kind("half of the answer's body, then the end of the connection"),
    "reset-body": Kind("half of the answer's body, then a reset"),
    "stall": Kind("half of the answer's body, then nothing until released, or for ever"),
    "short": Kind("a download that is half as long as the file, and says so", DOWNLOAD),
    "long": Kind("a download that is a hundred bytes longer than the file, and says so", DOWNLOAD),
    "delay": Kind("the answer comes later", joins=True, value="seconds"),
    "slow": Kind("the body is sent slowly", joins=True, value="bytes a second"),
    "no-ranges": Kind("Range is ignored", DOWNLOAD, joins=True),
    "rename": Kind("the service changes the names of uploaded files", POSTS, joins=True),
    "max-files": Kind(
        "the service takes this many files of a post and drops the others unsaid (PHP's max_file_uploads)",
        POSTS,
        joins=True,
        value="files",
    ),
    "slow-upload": Kind("the body of a request is read slowly", POSTS, joins=True, value="bytes a second"),
    "rival": Kind(
        "a colleague's file of the same name and size comes first, as another comment",
        "post_comment",
        joins=True,
    ),
}


@dataclass(eq=False)
class Fault:
    """One armed fault.

    action: a pattern (`post_*`); None: the kind's own. count: how often it strikes; None: always. share: the
    probability that it strikes. parameters: only requests that have these. `struck` is set at the first strike;
    `release` ends a hang or a stall, the request then going on.
    """

    name: str
    action: str | None = None
    count: int | None = None
    value: float = 0.0
    share: float = 1.0
    parameters: Mapping[str, str] = field(default_factory=dict)
    strikes: int = 0
    struck: trio.Event = field(default_factory=trio.Event)
    released: trio.Event = field(default_factory=trio.Event)

    def __post_init__(self) -> None:
        if self.name not in KINDS:
            raise ValueError(f"no fault is named {self.name!r}; there are {', '.join(KINDS)}")
        kind = KINDS[self.name]
        if not self.value:
            self.value = kind.default
        if kind.value and not self.value:
            raise ValueError(f"{self.name} needs a number: {self.name}:N ({kind.value})")

    @property
    def kind(self) -> Kind:
        return KINDS[self.name]

    def release(self) -> None:
        """Let the hanging requests go on, now and later."""
        self.released.set()

    def fits(self, action: str, parameters: Mapping[str, str]) -> bool:
        """Return whether it is for this request."""
        return (
            self.count != 0
            and fnmatchcase(action, self.action or self.kind.actions)
            and all(parameters.get(name) == value for name, value in self.parameters.items())
        )


@dataclass
class Strike:
    """What strikes one request: at most one fault that decides its fate, and those that shape it."""

    fate: Fault | None = None
    shape: dict[str, Fault] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "" if self.fate is None else self.fate.name


class Faults:
    """The armed faults, the first armed first."""

    def __init__(self, seed: int = 0) -> None:
        self.armed: list[Fault] = []
        self._random = random.Random(seed)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self.armed)

    def arm(
        self,
        name: str,
        action: str | None = None,
        count: int | None = None,
        *,
        value: float = 0.0,
        share: float = 1.0,
        **parameters: str | int,
    ) -> Fault:
        """Arm a fault and return it; `arm("hang", "download", id_file=7)` is for that file alone."""
        wanted = {key: str(said) for key, said in parameters.items()}
        fault = Fault(name, action, count, value, share, wanted)
        self.armed.append(fault)
        return fault

    def disarm(self, fault: Fault) -> None:
        """Take a fault away and release what hangs in it."""
        fault.release()
        if fault in self.armed:
            self.armed.remove(fault)

    def clear(self) -> None:
        """Take all faults away and release what hangs in them."""
        for fault in list(self.armed):
            self.disarm(fault)

    def strike(self, action: str, parameters: Mapping[str, str]) -> Strike:
        """Return what strikes this request, and count it."""
        strike = Strike()
        for fault in self.armed:
            if not fault.fits(action, parameters):
                continue
            if strike.fate is not None and not fault.kind.joins:
                continue
            if fault.share < 1 and self._random.random() >= fault.share:
                continue
            fault.strikes += 1
            if fault.count is not None:
                fault.count -= 1
            fault.struck.set()
            if fault.kind.joins:
                strike.shape[fault.name] = fault
            else:
                strike.fate = fault
        return strike


def parse(text: str) -> Fault:
    """Read `NAME[@SHARE][:VALUE][:ACTION[:COUNT]]`, VALUE being there for the kinds that have a number.

    `reset:download:2`, `late-commit:5:post_task`, `500@0.1`. Raises ValueError with a sentence for a person.
    """
    head, *rest = text.split(":")
    name, _, share = head.partition("@")
    if name not in KINDS:
        raise ValueError(f"no fault is named {name!r}; there are {', '.join(KINDS)}")
    value = 0.0
    try:
        if KINDS[name].value and rest and rest[0][:1].isdigit():
            value = float(rest.pop(0))
        action = (rest.pop(0) or None) if rest else None
        count = int(rest.pop(0)) if rest else None
        if rest:
            raise ValueError
        return Fault(name, action, count, value, float(share) if share else 1.0)
    except ValueError as error:
        if "needs a number" in str(error):
            raise
        raise ValueError(f"{text!r} is not NAME[@SHARE][:VALUE][:ACTION[:COUNT]]") from None


def read(said: object) -> Fault:
    """Read a fault from JSON: a text as for `parse`, or an object with Fault's fields, of which `name` is needed.

    `{"name": "hang", "action": "download", "parameters": {"id_file": "7"}}`. Raises ValueError or TypeError.
    """
    if isinstance(said, str):
        return parse(said)
    if not isinstance(said, dict):
        raise TypeError("a fault is a text or an object")
    fields = {key: said[key] for key in said if key in {"name", "action", "count", "value", "share"}}
    parameters = {str(key): str(value) for key, value in said.get("parameters", {}).items()}
    if unknown := set(said) - set(fields) - {"parameters"}:
        raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
    return Fault(**fields, parameters=parameters)
