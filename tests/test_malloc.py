"""Freed memory is returned to the system; with a C library that cannot do that, nothing happens."""

import sys

import pytest

from agent import malloc
from agent.health import memory_bytes

BLOCK_BYTES = 100_000
"""Below what malloc maps apart, which goes back by itself."""


@pytest.mark.skipif(malloc._TRIM is None, reason="the C library is not glibc")
def test_what_was_freed_is_given_back() -> None:
    blocks = [bytearray(BLOCK_BYTES) for _ in range(1000)]
    del blocks[:-1]  # the last one keeps the heap from shrinking by itself
    before = memory_bytes()
    malloc.give_back()
    assert before - memory_bytes() > 50_000_000
    assert sys.getsizeof(blocks[0]) > BLOCK_BYTES


def test_without_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(malloc.ctypes, "CDLL", lambda _name: object())
    assert malloc._find_trim() is None
    monkeypatch.setattr(malloc, "_TRIM", None)
    malloc.give_back()
