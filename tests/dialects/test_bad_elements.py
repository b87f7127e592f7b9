from agent.dialects.bad_elements import MAX_RANGES, BadElements
from agent.errors import Rejected


def told(*indexes: int, elements: int) -> str:
    first, *more = indexes
    bad = BadElements(first, Rejected("schema", "time: is missing"))
    for index in more:
        bad.add(index)
    rejected = bad.rejected(elements)
    assert rejected.reason == "schema"
    return rejected.detail.removeprefix("time: is missing ")


def test_indexes_are_told_as_ranges() -> None:
    assert told(3, elements=4) == "(1 of 4 elements, counted from 0: 3)"
    assert told(0, 1, 2, 7, 9, 10, elements=12) == "(6 of 12 elements, counted from 0: 0-2, 7, 9-10)"
    assert told(*range(5000), elements=5000) == "(5000 of 5000 elements, counted from 0: 0-4999)"


def test_however_many_there_are_the_text_is_short() -> None:
    text = told(*range(0, 5000, 2), elements=5000)
    assert text.startswith("(2500 of 5000 elements, counted from 0: 0, 2, 4")
    assert text.endswith(f"38 and {2500 - MAX_RANGES} more)")
    assert len(text) < 200
