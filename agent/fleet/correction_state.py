"""State of one van's corrections by hand: the stretches of time that must not count."""

import msgspec

from agent.fast.attributes import quick_to_set


@quick_to_set
class Amounts(msgspec.Struct, array_like=True, gc=False):
    """Published totals of a van at one moment, or the amounts that a time added to them."""

    distance_km: float = 0.0
    used_kwh: float = 0.0
    regenerated_kwh: float = 0.0
    charged_kwh: float = 0.0
    grid_kwh: float = 0.0
    idle_kwh: float = 0.0
    co2e_g: float = 0.0
    diesel_co2e_g: float = 0.0
    avoided_co2e_g: float = 0.0
    avoided_nox_mg: float = 0.0
    avoided_pm_mg: float = 0.0

    def since(self, begun: "Amounts") -> "Amounts":
        """The amounts that were added since `begun`; never negative."""
        return Amounts(*[max(0.0, getattr(self, name) - getattr(begun, name)) for name in self.__struct_fields__])

    def plus(self, more: "Amounts") -> "Amounts":
        """The sum of both."""
        return Amounts(*[getattr(self, name) + getattr(more, name) for name in self.__struct_fields__])

    @property
    def is_nothing(self) -> bool:
        """Whether all amounts are 0."""
        return not any(getattr(self, name) for name in self.__struct_fields__)


@quick_to_set
class Stretch(msgspec.Struct, array_like=True, gc=False):
    """A stretch that must not count. It is under way until the van has sent a reading from after its end."""

    from_ms: int
    to_ms: int
    made_ms: int
    reason: str = ""
    made_by: str = ""
    start_ms: int = 0
    """Beginning of the hour under way; 0: the stretch is over."""
    begun: Amounts | None = None
    """The totals at `start_ms`; `None`: the van has not sent a reading from the stretch yet."""


@quick_to_set
class CorrectionsState(msgspec.Struct, array_like=True, gc=False):
    """The newest stretches. `due_ms` is the next end of an hour under way; 0: none is under way."""

    stretches: list[Stretch] = []
    due_ms: int = 0
