"""Keys that were not decoded: none escapes the counting of colons."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.fast.other_keys import has_other_keys, may_have_other_keys

DECODED = ["time", "soc_pct", "vehicle_id"]
TEXTS = st.text('ab":\\,{}', max_size=5)
KEYS = st.sampled_from([*DECODED, "speed_kmh", "a:b"]) | TEXTS


@pytest.mark.parametrize(
    ("title", "payload", "others"),
    [
        ("all decoded", '{"time": 1, "soc_pct": 2}', False),
        ("an unknown key", '{"time": 1, "soc_pct": 2, "b": 3}', True),
        ("a key twice", '{"time": 1, "soc_pct": 2, "soc_pct": 3}', True),
        ("a key twice, once escaped", '{"time": 1, "soc_pct": 2, "soc\\u005fpct": 3}', True),
    ],
)
def test_has_other_keys(title: str, payload: str, others: bool) -> None:
    assert has_other_keys(payload.encode(), ["time", "soc_pct"]) == others, title
    assert may_have_other_keys(payload.encode(), 2) == others, title


@given(st.lists(st.tuples(KEYS, TEXTS | st.integers(0, 9)), max_size=5), st.booleans())
def test_no_other_key_is_missed(pairs: list[tuple[str, str | int]], escaped: bool) -> None:
    """A decoder keeps of each key that it knows the last value, whose colons are counted."""

    def spelt(key: str) -> str:
        return json.dumps(key).replace("_", "\\u005f" if escaped else "_")

    payload = "{" + ",".join(f"{spelt(key)}:{json.dumps(value)}" for key, value in pairs) + "}"
    decoded = {key: value for key, value in pairs if key in DECODED}
    colons = len(decoded) + sum(str(value).count(":") for value in decoded.values())
    others = has_other_keys(payload.encode(), decoded)
    assert others == (len(pairs) != len(decoded))
    if others:
        assert may_have_other_keys(payload.encode(), colons)
    elif "\\" not in payload:
        assert not may_have_other_keys(payload.encode(), colons)
