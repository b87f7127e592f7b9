import pytest

from agent.dialects.identity import is_vehicle_id, resolve
from agent.errors import Rejected

TABLE = {"LTESTVAN000000001": "van-007", "depot1/17": "van-017"}


@pytest.mark.parametrize(
    ("names", "vehicle_id"),
    [
        (("LTESTVAN000000001",), "van-007"),
        (("LTESTVAN000000002",), "LTESTVAN000000002"),
        (("depot1/17", "17"), "van-017"),
        (("depot2/17", "17"), "17"),
    ],
)
def test_resolve(names: tuple[str, ...], vehicle_id: str) -> None:
    assert resolve(TABLE, *names) == vehicle_id


@pytest.mark.parametrize("name", ["", "van 7", "van/7", "vän", "v" * 65, "van-7\n", "van+7", "#"])
def test_a_name_that_cannot_be_a_vehicle_id(name: str) -> None:
    assert not is_vehicle_id(name)
    with pytest.raises(Rejected, match="unknown_vehicle"):
        resolve(TABLE, name)
