"""The page tells old readings that still arrive from a fleet that is silent."""

from dashboards.live.pages.frame import ADVANCES_FOR_MS, CatchingUp

NOW_MS = 1_795_000_000_000
HOURS_AGO_MS = NOW_MS - 3 * 3_600_000


def test_the_first_look_says_nothing() -> None:
    assert not CatchingUp().seen(HOURS_AGO_MS, NOW_MS)


def test_readings_that_keep_coming() -> None:
    progress = CatchingUp()
    progress.seen(HOURS_AGO_MS, NOW_MS)
    assert all(progress.seen(HOURS_AGO_MS + n * 60_000, NOW_MS + n * 1000) for n in range(1, 20))


def test_it_ends_a_while_after_the_last_one() -> None:
    progress = CatchingUp()
    progress.seen(HOURS_AGO_MS, NOW_MS)
    progress.seen(HOURS_AGO_MS + 1, NOW_MS)
    assert progress.seen(HOURS_AGO_MS + 1, NOW_MS + ADVANCES_FOR_MS - 1)
    assert not progress.seen(HOURS_AGO_MS + 1, NOW_MS + ADVANCES_FOR_MS)


def test_a_fleet_that_falls_silent_is_not_catching_up() -> None:
    progress = CatchingUp()
    progress.seen(NOW_MS - 1, NOW_MS)
    progress.seen(NOW_MS + 999, NOW_MS + 1000)
    assert not progress.seen(NOW_MS + 999, NOW_MS + 121_000)
