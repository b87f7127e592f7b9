"""Attributes that are quick to set: as msgspec's own in all but the time."""

import msgspec
import pytest

from agent.fast.attributes import quick_to_set
from agent.fleet import new_state
from agent.readings import Reading
from agent.throttle import Bucket


@quick_to_set
class Quick(msgspec.Struct, gc=False):
    """Any such type."""

    number: float = 0.0
    text: str | None = None


def test_attributes_are_set_and_seen_by_msgspec() -> None:
    quick = Quick()
    quick.number, quick.text = 1.5, "a"
    assert msgspec.json.encode(quick) == b'{"number":1.5,"text":"a"}'
    assert msgspec.json.decode(b'{"number":1.5,"text":"a"}', type=Quick) == quick
    assert msgspec.structs.replace(quick, text=None) == Quick(1.5)


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
