import msgspec
import pytest

from agent.dialects.memories import Memories
from agent.errors import LogCorrupt, Rejected


class Counted(msgspec.Struct, array_like=True):
    count: int = 0


def test_what_changed_is_given_out_once_and_goes_on_after_a_restore() -> None:
    memories = Memories(Counted)
    memories.of("a").count = 1
    memories.of("b").count = 2
    kept = memories.changed()
    assert sorted(kept) == ["a", "b"]
    assert memories.changed() == {}
    memories.of("a").count = 3
    later = memories.changed()
    assert list(later) == ["a"]
    again = Memories(Counted)
    again.restore(kept | later)
    assert again.changed() == {}
    assert dict(again) == {"a": Counted(3), "b": Counted(2)}


def test_there_is_a_limit_to_the_vans() -> None:
    memories = Memories(Counted, max_vans=2)
    memories.of("a")
    memories.of("b")
    memories.of("a")
    with pytest.raises(Rejected, match="unknown_vehicle"):
        memories.of("c")


def test_a_damaged_memory_is_reported() -> None:
    with pytest.raises(LogCorrupt, match="memory"):
        Memories(Counted).restore({"a": b"\xc1"})
