"""What our session at the broker may be subscribed to, kept in a file over restarts.

A session outlives the settings: the broker goes on sending what an earlier run has subscribed, and MQTT has no way to
ask it for its subscriptions. So the filters are noted before they are subscribed, and a later run unsubscribes those
that its settings no longer name. The file is JSON: client id → address of a broker → filters. It holds no secret.
"""

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

log = logging.getLogger("agent.mqtt")

MOST_FILTERS: Final = 10_000
"""More are not noted for one broker."""

_Noted = dict[str, dict[str, list[str]]]


class SubscriptionNotes:
    """The notes of one client id. Several sessions with other client ids may share the file, in one process."""

    def __init__(self, path: Path, client_id: str) -> None:
        self._path = path
        self._client_id = client_id
        self._is_usable = True

    def former(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """The filters that any broker may still have for us beyond those that are wanted.

        Those of other addresses count too: the address of the same broker may have changed.
        """
        noted = self._read().get(self._client_id, {}).values()
        return tuple(sorted({pattern for filters in noted for pattern in filters} - set(wanted)))

    def add(self, address: str, filters: Iterable[str]) -> None:
        """Note filters that are about to be subscribed at this broker."""
        noted = self._read()
        known = noted.get(self._client_id, {})
        self._write(noted, known | {address: sorted({*known.get(address, ()), *filters})[:MOST_FILTERS]})

    def settle(self, address: str, filters: Iterable[str], *, addresses: Iterable[str]) -> None:
        """Note that exactly these filters are subscribed at this broker; brokers not in `addresses` are forgotten."""
        noted = self._read()
        known = noted.get(self._client_id, {})
        kept = {other: known[other] for other in addresses if other in known}
        self._write(noted, kept | {address: sorted(filters)[:MOST_FILTERS]})

    def _read(self) -> _Noted:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Noted)
        except FileNotFoundError:
            return {}
        except OSError as error:
            self._complain(error)
        except msgspec.MsgspecError as error:
            log.warning("%s is damaged (%s) and begun anew", self._path, error)
        return {}

    def _write(self, noted: _Noted, own: dict[str, list[str]]) -> None:
        """Replace the file, unless nothing has changed; it is there as a whole, before or after a crash."""
        if noted.get(self._client_id) == own or not self._is_usable:
            return
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with new.open("wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(noted | {self._client_id: own})))
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        if self._is_usable:
            self._is_usable = False
            log.warning(
                "%s cannot be used (%s): subscriptions that the settings no longer name will stay at the broker",
                self._path,
                error,
            )
