"""The dialect of a mapping whose messages hold parts of a reading: `join_s` is set."""

from collections.abc import Iterable, Mapping
from typing import Any

from agent.dialects.joining import OWN_TIME, JoinedValues, Values
from agent.dialects.mapping.dialect import MappingDialect, Place
from agent.dialects.mapping.quick import QuickReader
from agent.dialects.mapping.route import Route
from agent.dialects.mapping.settings import MappingSettings
from agent.dialects.memories import MAX_VANS
from agent.dialects.timestamps import DAY_MS, MINUTE_MS
from agent.errors import Rejected
from agent.messages import Message
from agent.readings import Reading


class JoinedMappingDialect(JoinedValues, MappingDialect):
    """A mapping whose values arrive one by one; `agent/dialects/joining.py` makes readings of them."""

    def __init__(
        self,
        name: str,
        settings: MappingSettings,
        *,
        identities: Mapping[str, str],
        max_vans: int = MAX_VANS,
        max_age_ms: int = 7 * DAY_MS,
        max_ahead_ms: int = 5 * MINUTE_MS,
        max_elements: int = 5000,
    ) -> None:
        JoinedValues.__init__(self, max_vans=max_vans)
        MappingDialect.__init__(
            self,
            name,
            settings,
            identities=identities,
            max_age_ms=max_age_ms,
            max_ahead_ms=max_ahead_ms,
            max_elements=max_elements,
        )
        self.join_ms = round(settings.join_s * 1000)
        self.holds_ms = round(settings.hold_s * 1000)

    def quick_reader(self, route: Route) -> QuickReader | None:
        """None: values are joined, so that there is no reading yet."""
        del route
        return None

    def decode(self, message: Message, received_ms: int) -> Iterable[Reading | Rejected]:
        """The readings that the arrival of this message completes."""
        place = self.place_of(message.topic)
        items: list[Reading | Rejected] = []
        records = self.records(place, message.payload)
        for record in records:
            try:
                self.check_van(place, record, records[0])
                items += self._take(place, record, message, received_ms)
            except Rejected as rejected:
                if len(records) == 1:
                    raise
                items.append(rejected)
        return items

    def _take(self, place: Place, record: Any, message: Message, received_ms: int) -> list[Reading]:
        """Take the values of one record. Raises `Rejected`."""
        if (found := self.said(place, record, message, received_ms)) is None:
            return []
        vehicle_id, said = found
        values: Values = said.values()
        unknown = [each.field for each in said.outcomes if each.raw is not None and each.value is None]
        if unknown and self.holds_ms:
            self.let_go(vehicle_id, unknown)
        if not values:
            self.ignored += 1
            return []
        if said.time_ms is not None:
            values[OWN_TIME] = float(said.time_ms)
        stale = message.retained and said.time_ms is None
        return self.join(vehicle_id, values, message, received_ms, stale=stale)

    def refine(self, values: Values, last: Values) -> Values:
        """A count is whole again: it is remembered as a float."""
        del last
        return values | {"parcels": int(values["parcels"])} if "parcels" in values else values
