"""`vanpulse correct`: excludes a period of a van from its totals, with a reason.

What the period added to the totals is read from the store and journaled with its reason, like a message. The agent
publishes it as `correction` points, which reports and dashboards subtract.
"""

import argparse
import getpass
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any, Final

import msgspec

from agent.commands.asking import STILL_WAITING, leave_request, wait_until_carried_out
from agent.commands.moments import add_period, format_moment, period
from agent.commands.report_findings import LONGEST_CORRECTION_MS, corrections_of
from agent.commands.storage import history_of, open_journal
from agent.config import Settings
from agent.errors import SettingsError, VanpulseError
from agent.fleet.books.corrections import CorrectedDay, CorrectedHour, Correction, hour_start_ms
from agent.fleet.correction_state import Amounts
from agent.journal import JournalInUse, Request
from agent.log_settings import JOURNAL_URL
from agent.messages import Message, MessageKind
from agent.points.measurements import TAGS
from agent.shard.opening import roster_of
from agent.stores.base import History

DAY_MS: Final = 86_400_000
LOOK_BACK_MS: Final = 7 * DAY_MS
"""How far before the period its first totals are searched; a van silent for longer has not changed them."""
LONGEST_REASON: Final = 200
COUNTERS: Final = {
    "energy": ("distance_km", "used_kwh", "regenerated_kwh", "charged_kwh", "grid_kwh", "idle_kwh"),
    "emissions": ("co2e_g", "diesel_co2e_g", "avoided_co2e_g", "avoided_nox_mg", "avoided_pm_mg"),
}
"""The amounts by measurement: each is the increase of the field with `_total` behind its name."""
DAY_FIELDS: Final = (*COUNTERS["energy"], "co2e_g", "diesel_co2e_g")


class CannotCorrect(VanpulseError):
    """The correction was not made. The text says what to do."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The van, the period and the reason."""
    parser.add_argument("van", nargs="?", metavar="VAN", help="the van; with --list: only its corrections")
    add_period(parser)
    parser.add_argument("--reason", metavar="TEXT", help="why the period is excluded; shown in every report")
    parser.add_argument("--list", action="store_true", help="list the corrections so far, with what they excluded")
    parser.epilog = (
        "What the period added to the van's totals no longer counts in reports and days. The van's readings stay "
        "stored. Works whether or not the agent is running."
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Make a correction, or list them."""
    start_ms, end_ms = period(arguments, settings.fleet.timezone)
    with closing(history_of(settings.store)) as history:
        if arguments.list:
            return _list(history, arguments.van, start_ms, end_ms)
        if arguments.van is None or start_ms is None or end_ms is None or arguments.reason is None:
            raise SettingsError("correct: give VAN, --from, --to and --reason, or --list")
        correction = make_correction(
            history,
            settings,
            vehicle_id=arguments.van,
            from_ms=start_ms,
            to_ms=end_ms,
            reason=_reason(arguments.reason),
        )
    taken_up = _journal(correction, settings) if settings.log.url == JOURNAL_URL else _produce(correction, settings)
    amounts = _sum(each.amounts for each in correction.slices)
    period_text = f"{format_moment(start_ms)} to {format_moment(end_ms)}"
    sys.stdout.write(f"{correction.vehicle_id}: {period_text} is excluded: {_shown(amounts)} so far\n")
    if not taken_up:
        sys.stdout.write("The next `vanpulse run` applies the correction.\n")
    return 0


def _reason(text: str) -> str:
    reason = " ".join(text.split())
    if not reason or len(reason) > LONGEST_REASON or not reason.isprintable():
        raise SettingsError(f"--reason: give 1 to {LONGEST_REASON} printable characters")
    return reason


# -- what the period has added


def make_correction(
    history: History, settings: Settings, *, vehicle_id: str, from_ms: int, to_ms: int, reason: str
) -> Correction:
    """The correction, with what the period added according to the store. Raises `CannotCorrect`, `SettingsError`."""
    if to_ms - from_ms > LONGEST_CORRECTION_MS:
        raise SettingsError("--from and --to are more than 31 days apart: make several corrections")
    for other in corrections_of(history, vehicle_id, start_ms=from_ms, end_ms=to_ms).entries:
        if other["from_ms"] < to_ms and from_ms < other["to_ms"]:
            raise CannotCorrect(
                f"{vehicle_id} already has a correction from {format_moment(other['from_ms'])} to "
                f"{format_moment(other['to_ms'])} ({other['reason']}). A time can be excluded only once: "
                "choose a period before or after it"
            )
    slices: dict[int, Amounts] = {from_ms: Amounts()}
    newest: dict[str, dict[str, Any]] = {}
    for measurement, names in COUNTERS.items():
        for point in _points(history, measurement, vehicle_id, from_ms, to_ms):
            before = newest.get(measurement)
            if before is not None and point["time_ms"] > from_ms:
                _add(slices, hour_start_ms(point["time_ms"], from_ms), names, before, point)
            newest[measurement] = {**(before or {}), **point}
    if "energy" not in newest and next(history.select("energy", vehicle_id=vehicle_id, latest=True), None) is None:
        raise CannotCorrect(f"the store has no data of a van {vehicle_id!r}")
    made = [CorrectedHour(start_ms, amounts) for start_ms, amounts in sorted(slices.items())]
    kept = [each for each in made if each.start_ms == from_ms or not each.amounts.is_nothing]
    return Correction(
        vehicle_id=vehicle_id,
        from_ms=from_ms,
        to_ms=to_ms,
        made_ms=time.time_ns() // 1_000_000,
        reason=reason,
        made_by=_user(),
        slices=kept,
        counted_ms=max(from_ms, newest["energy"]["time_ms"]) if len(newest) == len(COUNTERS) else from_ms,
        counted=_standing(newest) if len(newest) == len(COUNTERS) else None,
        days=list(_days(history, settings, vehicle_id, kept)),
    )


def _points(history: History, measurement: str, vehicle_id: str, from_ms: int, to_ms: int) -> Iterator[dict[str, Any]]:
    """The last point up to the beginning of the period, then all points up to its end."""
    begun = history.select(
        measurement, vehicle_id=vehicle_id, start_ms=from_ms - LOOK_BACK_MS, end_ms=from_ms + 1, latest=True
    )
    yield from sorted(begun, key=lambda point: point["time_ms"])
    yield from history.select(measurement, vehicle_id=vehicle_id, start_ms=from_ms + 1, end_ms=to_ms + 1)


def _add(
    slices: dict[int, Amounts], start_ms: int, names: Iterable[str], before: Mapping[str, Any], point: Mapping[str, Any]
) -> None:
    amounts = slices.setdefault(start_ms, Amounts())
    for name in names:
        value = point.get(f"{name}_total")
        if value is not None:
            added = max(0.0, value - before.get(f"{name}_total", value))
            setattr(amounts, name, getattr(amounts, name) + added)


def _standing(newest: Mapping[str, Mapping[str, Any]]) -> Amounts:
    """The totals at the last points up to the end of the period."""
    return Amounts(
        **{name: newest[owner].get(f"{name}_total", 0.0) for owner, names in COUNTERS.items() for name in names}
    )


def _days(history: History, settings: Settings, vehicle_id: str, hours: list[CorrectedHour]) -> Iterator[CorrectedDay]:
    """The stored days that contain these hours, without their amounts."""
    roster = roster_of(settings)
    zone = roster.context(vehicle_id).day_zone
    first_ms = hours[0].start_ms - 2 * DAY_MS
    for day in history.select("day", vehicle_id=vehicle_id, start_ms=first_ms, end_ms=hours[-1].start_ms + 1):
        start_ms, end_ms = zone.bounds(day["time_ms"])
        amounts = _sum(each.amounts for each in hours if start_ms <= each.start_ms < end_ms)
        if amounts.is_nothing:
            continue
        fields = {name: day[name] - getattr(amounts, name) for name in DAY_FIELDS if name in day}
        if "co2e_g" in fields and "diesel_co2e_g" in fields:
            fields["avoided_co2e_g"] = fields["diesel_co2e_g"] - fields["co2e_g"]
        yield CorrectedDay(day["time_ms"], {tag: day[tag] for tag in TAGS if tag in day}, fields)


def _sum(amounts: Iterable[Amounts]) -> Amounts:
    total = Amounts()
    for each in amounts:
        total = total.plus(each)
    return total


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


# -- into the log


def _produce(correction: Correction, settings: Settings) -> bool:
    """Write the correction to the partition of its van. The agent that has the partition takes it up."""
    from agent.commands.kafka_desk import KafkaDesk  # the client of Kafka is an extra

    message = Message("", msgspec.json.encode(correction), qos=0, kind=MessageKind.CORRECTION)
    KafkaDesk(settings).append([message], received_ms=correction.made_ms, name="correct")
    return True


def _journal(correction: Correction, settings: Settings) -> bool:
    """Journal the correction, or let the running agent do it. Returns whether an agent is running."""
    path = settings.journal.path
    if not path.exists():
        raise CannotCorrect(
            f"there is no journal {path}: run this command on the agent's machine, with the agent's settings"
        )
    request = Request(corrections=[(correction.made_ms, msgspec.json.encode(correction))])
    try:
        journal = open_journal(settings.journal)
    except JournalInUse:
        if not leave_request(path, request):
            raise CannotCorrect(STILL_WAITING) from None
        if not wait_until_carried_out(path):
            sys.stderr.write("vanpulse: the agent has not made the correction yet; it will do so later\n")
        return True
    try:
        journal.append_corrections(request.corrections)
    finally:
        journal.close()
    return False


# -- what was corrected


def _list(history: History, vehicle_id: str | None, start_ms: int | None, end_ms: int | None) -> int:
    for entry in corrections_of(history, vehicle_id, start_ms=start_ms, end_ms=end_ms).entries:
        sys.stdout.write(
            f"{entry['vehicle_id']}\t{format_moment(entry['from_ms'])}\t{format_moment(entry['to_ms'])}\t"
            f"{_shown(entry['amounts'])}\t{entry['reason']}\tby {entry['made_by']}, {format_moment(entry['made_ms'])}\n"
        )
    return 0


def _shown(amounts: Amounts) -> str:
    return (
        f"{amounts.distance_km:.1f} km, {amounts.used_kwh:.1f} kWh used, {amounts.charged_kwh:.1f} kWh charged, "
        f"{amounts.grid_kwh:.1f} kWh from the grid, {amounts.co2e_g / 1000:.2f} kg CO2e"
    )
