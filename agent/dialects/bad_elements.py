"""The unusable elements of one message, as one reason: a message becomes one dead letter, however many it has."""

from typing import Final

from agent.errors import Rejected

MAX_RANGES: Final = 20
"""Ranges of indexes that the reason names. Further elements are counted."""


class BadElements:
    """Takes the elements in the order of their indexes. Keeps a bounded number of them, and the first reason."""

    def __init__(self, index: int, first: Rejected) -> None:
        self._first = first
        self._ranges = [[index, index]]
        self._number = 1
        self._unnamed = 0

    def add(self, index: int) -> None:
        """One more element that cannot be used."""
        self._number += 1
        last = self._ranges[-1]
        if index == last[1] + 1 and not self._unnamed:
            last[1] = index
        elif len(self._ranges) < MAX_RANGES:
            self._ranges.append([index, index])
        else:
            self._unnamed += 1

    def rejected(self, elements: int) -> Rejected:
        """The reason of the first one, with the indexes of all of them; the message has `elements` elements."""
        named = ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in self._ranges)
        more = f" and {self._unnamed} more" if self._unnamed else ""
        detail = f"{self._first.detail} ({self._number} of {elements} elements, counted from 0: {named}{more})"
        return Rejected(self._first.reason, detail)
