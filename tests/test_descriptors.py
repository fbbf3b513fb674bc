"""How many files the process may have open: as many as it needs, where that is allowed."""

from __future__ import annotations

import resource

import pytest

from wsfs.descriptors import CACHED, WANTED, for_cache, raise_limit

FREE = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "raised"),
    [
        *((1024, 3000, 3000), (3000, 3000, 3000), (1024, WANTED + 1000, WANTED), (1024, FREE, WANTED)),
        (WANTED + 500, WANTED + 1000, WANTED + 500),
    ],
)
def test_the_soft_limit_is_raised_as_far_as_is_allowed_and_needed(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: int
) -> None:
    limits = {resource.RLIMIT_NOFILE: (soft, hard)}
    monkeypatch.setattr(resource, "getrlimit", limits.__getitem__)
    monkeypatch.setattr(resource, "setrlimit", limits.__setitem__)
    assert raise_limit() == raised
    assert limits == {resource.RLIMIT_NOFILE: (raised, hard)}


def test_no_limit_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (FREE, FREE))
    assert raise_limit() == WANTED


def test_where_the_limit_cannot_be_raised_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(which: int, limits: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 4096))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert raise_limit() == 256


def test_it_is_the_machines_limit() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, before[1]))
        assert raise_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 64
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_cache_leaves_most_of_them_to_programs() -> None:
    assert for_cache(1024) == 256
    assert for_cache(WANTED) == CACHED
    assert for_cache(3) == 1
