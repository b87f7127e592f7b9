"""Known limits of the van core. `hold` expects these scenarios to fail; one that passes must leave the list."""

from typing import Final

KNOWN: Final = {
    "odometer and place are renewed at the end of a trip, speed and charge all along": "the drive is two trips",
    "positions on a grid of 1.1 km, the van on a line of it": "the way from cell to cell counts",
    "the BMS says 61.3 % and the van's status 60 %, by turns": "the difference counts once as energy",
    "a slow charge of an hour that is polled each five minutes, and no flag tells of it": "a tenth of it is missing",
    "summer time ends: an hour behind from the middle of a drive on; no odometer": "that hour's energy counts twice",
    "the charger stops after half an hour, the cloud predicts on to 100 %, and at unplugging it is 57 %": "what "
    "the cloud predicts counts as charged",
    "a driver's phone tells the place as well, and goes home by train when the van is parked": "two kilometres of "
    "the phone's way count",
    "the state of charge sags by 2 % under load and comes back at each of thirty doors": "the energy of some "
    "sags counts as used",
    "the state of charge settles by 1.5 % within half an hour after each of eight drives": "what comes back counts as "
    "used, and most of it as returned",
    "TeslaMate: the queue comes slowly, a message each 0.4 s for three minutes, behind half an hour's outage": "what "
    "comes after half a minute is refused, and the speed that was last said counts",
    "OVMS: half of the messages come again after five minutes": "old places among new ones count",
}
"""The title of each scenario, and what is wrong with its figures."""
