"""The map of vans, depots and tracks."""

from pathlib import Path
from typing import Any

from nicegui.element import Element
from nicegui.elements import leaflet

Depots = list[tuple[str, float, float]]


class VanMap(Element, component="van_map.js"):
    """A map of vans, given as [id, state, SoC, latitude, longitude, heading, severity]. Tiles need a tile server."""

    def __init__(
        self,
        vans: list[list[Any]],
        *,
        trails: dict[str, list[tuple[float, float]]] | None = None,
        depots: Depots | None = None,
        path: list[tuple[float, float]] | None = None,
        tiles_url: str | None = None,
        land_url: str | None = None,
        single: bool = False,
    ) -> None:
        super().__init__()
        self.add_resource(Path(leaflet.__file__).parent / "dist")
        self._sent_depots = depots or []
        self._props["vans"] = vans
        self._props["trails"] = trails or {}
        self._props["depots"] = self._sent_depots
        self._props["path"] = path or []
        self._props["tiles"] = tiles_url or ""
        self._props["land"] = land_url or ""
        self._props["single"] = single

    def patch(self, vans: list[list[Any]]) -> None:
        """Send vans that changed."""
        if vans:
            self.run_method("patch", vans)

    def set_depots(self, depots: Depots) -> None:
        """Send the depots if they differ from those in the browser."""
        if depots != self._sent_depots:
            self._sent_depots = depots
            self.run_method("setDepots", depots)

    def set_path(self, path: list[tuple[float, float]]) -> None:
        """Send the track of the van that is shown."""
        self.run_method("setPath", path)

    def set_places(self, places: list[list[Any]]) -> None:
        """Send the places where the van stopped and charged: [latitude, longitude, kind]."""
        self.run_method("setPlaces", places)
