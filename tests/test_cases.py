"""Loops over many cases: none is left out, and the message names those that failed."""

import re
from collections.abc import Callable

import pytest

from tests.cases import SHOWN, Cases


def message_of(check: Callable[[int], None], numbers: int) -> str:
    """What a test says that checks so many numbers."""

    def loop() -> None:
        with Cases() as cases:
            for number in range(numbers):
                with cases.case(f"number {number}"):
                    check(number)

    with pytest.raises(pytest.fail.Exception) as failure:
        loop()
    return str(failure.value)


def test_every_case_is_checked_and_each_failed_one_is_named() -> None:
    checked = []

    def check(number: int) -> None:
        checked.append(number)
        assert number % 2 == 0, "odd"

    message = message_of(check, 5)
    assert checked == [0, 1, 2, 3, 4]
    assert message.startswith("2 of 5 cases failed:\n")
    assert re.findall(r"^number \d", message, re.MULTILINE) == ["number 1", "number 3"]
    assert "odd" in message
    assert "test_cases.py:" in message


def test_an_error_is_told_with_its_kind() -> None:
    with pytest.raises(pytest.fail.Exception, match="a: KeyError: 'speed'"), Cases() as cases, cases.case("a"):
        {}["speed"]


def test_an_error_that_was_expected_and_did_not_come_is_a_failure() -> None:
    with (
        pytest.raises(pytest.fail.Exception, match="a: Failed: DID NOT RAISE"),
        Cases() as cases,
        cases.case("a"),
        pytest.raises(ValueError, match="x"),
    ):
        pass


def test_cases_that_all_pass_pass() -> None:
    with Cases() as cases:
        for number in range(5):
            with cases.case(number):
                assert number >= 0


def test_no_case_is_a_failure() -> None:
    with pytest.raises(pytest.fail.Exception, match="no case"), Cases():
        pass


def test_a_long_list_is_cut_and_counted() -> None:
    message = message_of(lambda _: pytest.fail("no"), SHOWN + 2)
    assert message.startswith(f"{SHOWN + 2} of {SHOWN + 2} cases failed:\n")
    assert message.count("Failed: no") == SHOWN
    assert message.endswith("\nand 2 more")


def test_an_error_outside_the_cases_is_not_hidden() -> None:
    def loop() -> None:
        with Cases() as cases:
            with cases.case("a"):
                pytest.fail("no")
            raise KeyError

    with pytest.raises(KeyError):
        loop()
