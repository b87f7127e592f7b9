"""What the van core is known not to get right. `hold` expects these to fail: one that passes has to leave the list."""

from typing import Final

KNOWN: Final = {
    "odometer and place are renewed at the end of a trip, speed and charge all along": "the drive is two trips",
    "positions on a grid of 1.1 km, the van on a line of it": "the way from cell to cell counts",
    "the BMS says 61.3 % and the van's status 60 %, by turns": "the difference counts once as energy",
    "a slow charge of an hour that is polled each five minutes, and no flag tells of it": "a tenth of it is missing",
}
"""Title of a scenario, and what is wrong with its figures."""
