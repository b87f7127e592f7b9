"""Attributes that are quick to set: as msgspec's own in all but the time."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.fast.attributes import quick_to_set
from agent.fleet import new_state
from agent.readings import Reading
from agent.throttle import Bucket


class Plain(msgspec.Struct, gc=False):
    """Any such type, as msgspec makes it."""

    number: float = 0.0
    text: str | None = None


@quick_to_set
class Quick(msgspec.Struct, gc=False):
    """The same, decorated."""

    number: float = 0.0
    text: str | None = None


CHANGES = st.tuples(st.just("number"), st.floats(allow_nan=False)) | st.tuples(st.just("text"), st.none() | st.text())


@given(st.lists(CHANGES))
def test_a_decorated_struct_is_as_one_that_is_not(changes: list[tuple[str, object]]) -> None:
    plain, quick = Plain(), Quick()
    for name, value in changes:
        setattr(plain, name, value)
        setattr(quick, name, value)
    assert msgspec.structs.astuple(quick) == msgspec.structs.astuple(plain)
    assert msgspec.msgpack.encode(quick) == msgspec.msgpack.encode(plain)
    assert msgspec.structs.replace(quick, text="a") == Quick(plain.number, "a")


def test_no_attribute_can_be_added() -> None:
    with pytest.raises(AttributeError):
        Quick().other = 1  # type: ignore[attr-defined]


class Collected(msgspec.Struct):
    """Known to the garbage collector."""


class Frozen(msgspec.Struct, frozen=True, gc=False):
    """Never changed."""


@pytest.mark.parametrize("kind", [Collected, Frozen])
def test_only_where_nothing_is_lost(kind: type[msgspec.Struct]) -> None:
    with pytest.raises(TypeError, match=kind.__name__):
        quick_to_set(kind)


def test_what_changes_with_every_reading_is_quick_to_set() -> None:
    state = new_state("van-1")
    hot = (state, state.soc, state.estimate, state.totals, state.position, state.motion, state.motion.rest)
    for struct in (*hot, Bucket(), Reading(vehicle_id="van-1", time_ms=0)):
        assert type(struct).__setattr__ is object.__setattr__, type(struct)
