"""One test over many cheap cases: every case is checked, and one message names each case that failed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import pytest

SHOWN = 30
"""A message shows so many failed cases in full and counts the rest."""


class Cases:
    """Use `with Cases() as cases:` around the loop and `with cases.case(name):` around the checks of one case.

    The test fails at the end of the outer block if a case failed, or if there was no case at all.
    """

    def __init__(self) -> None:
        self._checked = 0
        self._failed: list[str] = []

    @contextmanager
    def case(self, name: object) -> Iterator[None]:
        """Check one case; a failure is noted, and the loop goes on."""
        self._checked += 1
        try:
            yield
        except (Exception, pytest.fail.Exception) as error:
            kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
            said = "\n    ".join(line for line in str(error).splitlines() if line.strip() and "Use -v" not in line)
            self._failed.append(f"{name}: {kind}{said}{_place(error)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            return
        if not self._checked:
            pytest.fail("there was no case to check", pytrace=False)
        if self._failed:
            more = len(self._failed) - SHOWN
            lines = [f"{len(self._failed)} of {self._checked} cases failed:", *self._failed[:SHOWN]]
            pytest.fail("\n".join([*lines, *([f"and {more} more"] if more > 0 else [])]), pytrace=False)


def _place(error: BaseException) -> str:
    """Where the check of the test stands: the first line below `case` itself."""
    traceback = error.__traceback__
    if traceback is None or (below := traceback.tb_next) is None:
        return ""
    return f" ({os.path.relpath(below.tb_frame.f_code.co_filename)}:{below.tb_lineno})"
