"""What every test shares: a warning in the log that no test asked for is a failure."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator

import pytest

# Tests that were started in the background of a script ignore Ctrl-C, and so would every program that they start and
# stop by it. What Python handles is the default again in a program that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def leave_out(why: str | None) -> None:
    """Skip the test that calls this, in CI fail it; None: go on."""
    if why is not None and os.environ.get("CI"):
        pytest.fail(f"{why}: this test must not be left out here")
    if why is not None:
        pytest.skip(why)


class ExpectedWarnings:
    """The substrings of log warnings that a test expects; add them with `expect`."""

    def __init__(self) -> None:
        self.patterns: list[str] = []

    def expect(self, substring: str) -> None:
        """Let warnings that contain `substring` pass."""
        self.patterns.append(substring)

    def covers(self, message: str) -> bool:
        return any(pattern in message for pattern in self.patterns)


@pytest.fixture
def expected_warnings() -> ExpectedWarnings:
    """Ask for it and call `expect(substring)` in a test whose subject logs a warning on purpose."""
    return ExpectedWarnings()


@pytest.fixture(autouse=True)
def no_unexpected_warnings(
    caplog: pytest.LogCaptureFixture, expected_warnings: ExpectedWarnings
) -> Iterator[None]:
    """Fail the test on any warning or error that it did not expect."""
    yield
    unexpected = [
        record.getMessage()
        for when in ("setup", "call")
        for record in caplog.get_records(when)
        if record.levelno >= logging.WARNING and not expected_warnings.covers(record.getMessage())
    ]
    assert not unexpected, f"unexpected warnings in the log: {unexpected}"
