"""The figures of a large fleet's depots."""

from dashboards.live.large_fleet import Depots

MINUTE_MS = 60_000


def point(depot: str, time_ms: int, vans: int) -> dict[str, object]:
    return {"depot": depot, "time_ms": time_ms, "vans": vans, "online": vans, "driving": 0, "charging": 0}


def test_the_vans_of_a_depot_that_was_renamed_are_counted_once() -> None:
    depots = Depots()
    depots.add([point("old name", 0, 3000), point("other", 0, 40)])
    depots.add([point("new name", MINUTE_MS, 3000), point("other", MINUTE_MS, 40)])
    depots.add([point("new name", 4 * MINUTE_MS, 3000), point("other", 4 * MINUTE_MS, 40)])
    assert depots.figures().vans == 3040
    assert sorted(depots.newest) == ["new name", "other"]


def test_a_store_with_an_old_name_of_a_depot_counts_its_vans_once() -> None:
    depots = Depots()
    depots.add([point("new name", 1440 * MINUTE_MS, 3000), point("old name", 0, 3000)])
    assert depots.figures().vans == 3000
