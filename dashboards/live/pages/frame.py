"""The frame of every page: navigation, age of the data, and a message if there is no data."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from nicegui import ui
from nicegui.element import Element

from dashboards.live import units
from dashboards.live.elements.van_map import Depots
from dashboards.live.fleet_view import LatestVan
from dashboards.live.large_fleet import LARGE_FLEET
from dashboards.live.reading import Reader

STATIC_PATH: Final = "/live-static"
LAND_PATH: Final = f"{STATIC_PATH}/land.json"
STALE_S: Final = 120
"""If the newest reading is older than this, a warning is shown."""
ADVANCES_FOR_MS: Final = 10_000
"""Old data counts as catching up for this long after the last newer reading."""

_ICONS: Final = {
    "fleet": (
        '<path d="M3 6h11v10H3zM14 9h4l3 3.500V16h-7z"/>'
        '<circle cx="7" cy="17" r="2"/><circle cx="17.500" cy="17" r="2"/>'
    ),
    "tours": '<path d="M4 19a3 3 0 1 0 3-3h10a4 4 0 0 0 0-8H8M11 5 8 8l3 3"/>',
    "energy": '<path d="M4 20V10M10 20V4M16 20v-8M21 20H2"/>',
    "charging": '<path d="M13 2 5 14h6l-1 8 8-12h-6z"/>',
    "quality": (
        '<path d="M12 3l8 3v6c0 5-3.500 7.500-8 9-4.500-1.500-8-4-8-9V6z"/><path d="M8.500 12l2.500 2.500 4.500-5"/>'
    ),
    "agent": '<path d="M2 13h5l2.500-8 5 15 3-9 1 2H22"/>',
}
_NAVIGATION: Final = (
    ("fleet", "/", "Fleet", "Fleet"),
    ("tours", "/tours", "Tours", "Tours"),
    ("energy", "/energy", "Energy & emissions", "Energy"),
    ("charging", "/charging", "Charging", "Charging"),
    ("quality", "/quality", "Data quality", "Quality"),
    ("agent", "/agent", "Agent", "Agent"),
)
_THEMES: Final = {
    "auto": '<circle cx="12" cy="12" r="8"/><path d="M12 4v16a8 8 0 0 0 0-16z" fill="currentColor"/>',
    "light": (
        '<circle cx="12" cy="12" r="4"/><path d="M12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M5 19l2-2M17 7l2-2"/>'
    ),
    "dark": '<path d="M20 14.500A8.500 8.500 0 1 1 9.500 4a7 7 0 0 0 10.500 10.500z"/>',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What all pages share."""

    reader: Reader
    tiles_url: str | None
    depots: Depots

    def depot_places(self) -> Depots:
        """The positions of depots from the fleet file, otherwise from the positions of vans that stand there."""
        known = {name: (name, latitude, longitude) for name, latitude, longitude in self.depots}
        standing: dict[str, list[tuple[float, float]]] = {}
        for van in self.reader.view.vans.values():
            if van.depot and van.depot not in known and van.state in ("charging", "parked") and van.trail:
                standing.setdefault(van.depot, []).append(van.trail[-1])
        for name, places in standing.items():
            known[name] = (name, median(place[0] for place in places), median(place[1] for place in places))
        return [known[name] for name in sorted(known)]


def svg(paths: str, css: str = "") -> str:
    """An icon in the colour of the text."""
    return (
        f'<svg class="{css}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.800" '
        f'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{paths}</svg>'
    )


def raw(html: str, tag: str = "div", css: str = "") -> ui.html:
    """Trusted markup. Never pass text from outside."""
    element = ui.html(html, sanitize=False, tag=tag)
    return element.classes(css) if css else element


def div(css: str, tag: str = "div") -> Element:
    """A plain element."""
    return ui.element(tag).classes(css)


def text(content: str, css: str = "", tag: str = "span") -> "Text":
    """A plain element with text."""
    element = Text(tag)
    element.set(content)
    return element.classes(css) if css else element


class Text(Element):
    """An element that sends its text only when it changes."""

    def set(self, content: str) -> None:
        """Show `content`."""
        if content != self._text:
            self._text = content
            self.update()


def mark(element: Element, css: str, *, on: bool) -> None:
    """Add or remove a class, unless it is already so."""
    if (css in element.classes) != on:
        if on:
            element.classes(add=css)
        else:
            element.classes(remove=css)


class Figures:
    """The strip of key figures."""

    def __init__(self) -> None:
        self._strip = div("vp-card vp-figures", tag="dl")
        self._cells: dict[str, tuple[Element, Text, Text, Text]] = {}

    def add(self, name: str, label: str, *, dot: str = "") -> None:
        """Add a figure with a name. `set` gives it a value."""
        with self._strip, div("vp-figure") as cell:
            cell.props(f'data-figure="{name}"')
            with div("", tag="dt"):
                if dot:
                    div(f"vp-dot vp-{dot}", tag="span")
                text(label)
            with div("", tag="dd"):
                value = text(units.DASH)
                unit = text("", tag="small")
            note = text(" ", "vp-sub", tag="dd")
        self._cells[name] = (cell, value, unit, note)

    def set(self, name: str, figure: units.Figure, note: str = "", *, bad: bool | None = None) -> None:
        """Show a value with its unit."""
        cell, value, unit, under = self._cells[name]
        value.set(figure.text)
        unit.set(f" {figure.unit}")
        under.set(note or " ")
        mark(cell, "vp-bad", on=bad is True)
        mark(cell, "vp-ok", on=bad is False)


class CatchingUp:
    """Detects that newer readings keep arriving although they are old: buffered data is catching up."""

    def __init__(self) -> None:
        self._newest_ms: int | None = None
        self._advanced_ms = 0

    def seen(self, newest_ms: int | None, now_ms: int) -> bool:
        """Note the newest reading. Returns whether a newer one has arrived lately."""
        if newest_ms != self._newest_ms:
            if self._newest_ms is not None:
                self._advanced_ms = now_ms
            self._newest_ms = newest_ms
        return now_ms - self._advanced_ms < ADVANCES_FOR_MS


class Frame:
    """A page in one browser. It updates itself after every tick."""

    def __init__(self, site: Site, current: str, title: str, *, needs_all_vans: bool = False) -> None:
        """`needs_all_vans`: the page is left out where the fleet is too large to keep all of its vans."""
        self.site = site
        self.reader = site.reader
        self._left_out = needs_all_vans and self.reader.is_large
        self._updates: list[Callable[[], None]] = []
        self._progress = CatchingUp()
        self._stack = ExitStack()
        client = ui.context.client
        client.on_delete(self._stack.close)
        self._client = client
        ui.page_title(f"{title} · vanpulse")
        zone = self.reader.zone
        ui.add_head_html(
            f'<link rel="stylesheet" href="{STATIC_PATH}/style.css"><script src="{STATIC_PATH}/base.js"></script>'
            f'<script>vanpulse.timeZone = "{zone}"</script>'
        )
        raw('<a class="vp-skip" href="#main">Skip to the content</a>')
        self._head(current)
        with div("vp-main", tag="main").props('id=main tabindex="-1"'):
            self._banner = div("vp-banner").props('role="alert"')
            with self._banner:
                self._banner_head = text("", tag="b")
                self._banner_text = text("")
            self._panel = div("vp-state-panel vp-waiting").props('role="status"')
            with self._panel:
                raw(svg('<path d="M2 13h5l2.500-8 5 15 3-9 1 2H22"/>'))
                self._panel_head = text("", tag="h2")
                self._panel_text = text("", tag="p")
            self.content = div("vp-content")
            text(
                f"Times in {units.zone_name(self.reader.clock_ms(), zone)}. All numbers are read from the store, "
                "as computed by the agent.",
                "vp-foot",
                tag="p",
            )

    def _head(self, current: str) -> None:
        with div("vp-head", tag="header"):
            raw(
                f'<a class="vp-brand" href="/" aria-label="vanpulse, fleet">{svg(_ICONS["agent"])}'
                "<span>vanpulse</span></a>"
            )
            links = "".join(
                f'<a href="{path}" {"aria-current=page" if key == current else ""}>{svg(_ICONS[key])}'
                f'<span class="vp-hide-phone">{label.replace("&", "&amp;")}</span>'
                f'<span class="vp-only-phone">{short}</span></a>'
                for key, path, label, short in _NAVIGATION
            )
            raw(links, tag="nav", css="vp-nav").props('aria-label="Pages"')
            self._fresh = div("vp-fresh").props('role="status"')
            with self._fresh:
                div("vp-pulse", tag="span")
                self._fresh_head = text("", tag="b")
                self._fresh_text = text("", "vp-hide-phone")
            icons = "".join(svg(paths, f"vp-theme-{name}") for name, paths in _THEMES.items())
            raw(
                f'<button type="button" class="vp-theme-button" onclick="vanpulse.nextTheme()" '
                f'title="Colours: as the system, light, dark" aria-label="Change the colours">{icons}</button>'
            )

    def every_tick(self, update: Callable[[], None]) -> None:
        """Call `update` now and after every tick."""
        self._updates.append(update)

    def watch(self, vehicle_id: str, hours: int) -> Any:
        """Read one van in detail while this page is open."""
        return self._stack.enter_context(self.reader.watching(vehicle_id, hours))

    def show(self, vehicle_ids: Sequence[str]) -> None:
        """Have the reader follow these vans while this page is open. In a small fleet it follows all of them anyway."""
        self._stack.enter_context(self.reader.large.shown.page(vehicle_ids))

    def start(self, *, metrics: bool = False) -> None:
        """Show the present data, then follow the reader."""
        self._refresh()
        self._stack.enter_context(self.reader.subscription(self._tick, metrics=metrics))

    def _tick(self) -> None:
        if self._client.has_socket_connection:
            self._refresh()

    def _refresh(self) -> None:
        with self._client:
            self._show_state()
            for update in self._updates:
                update()

    def _show_state(self) -> None:
        reader = self.reader
        has_data = reader.has_data and not self._left_out
        self.content.set_visibility(has_data)
        self._panel.set_visibility(not has_data)
        broken = reader.state == "unreachable"
        mark(self._panel, "vp-problem", on=broken)
        mark(self._panel, "vp-waiting", on=not broken)
        head, body = _LEFT_OUT if self._left_out else _PANELS[reader.state]
        self._panel_head.set(head)
        self._panel_text.set(f"{reader.problem}. {body}" if broken else body)
        age_s = self._age_s()
        stale = has_data and age_s is not None and age_s > STALE_S
        mark(self._fresh, "vp-stale", on=stale and not broken)
        mark(self._fresh, "vp-broken", on=broken)
        advances = self._progress.seen(reader.view.newest_ms, reader.clock_ms())
        catching_up = advances and stale
        self._fresh_head.set(
            "Store unreachable" if broken
            else "Catching up" if catching_up
            else "Stale" if stale
            else "Live" if has_data
            else "Waiting"
        )  # fmt: skip
        self._fresh_text.set("" if age_s is None else f"newest reading {units.age(age_s)} ago")
        self._show_banner(broken=broken and has_data, stale=stale, catching_up=catching_up, age_s=age_s or 0.0)

    def _show_banner(self, *, broken: bool, stale: bool, catching_up: bool, age_s: float) -> None:
        self._banner.set_visibility(broken or stale)
        mark(self._banner, "vp-mild", on=not broken)
        if broken:
            self._banner_head.set("The store does not answer.")
            self._banner_text.set(f"The page shows the last data that was read. {self.reader.problem}")
        elif catching_up:
            self._banner_head.set("Older readings are coming in.")
            self._banner_text.set(f"They have reached {self._moment()}, which is {units.age(age_s)} ago.")
        elif stale:
            self._banner_head.set("No new readings.")
            self._banner_text.set(
                f"The newest reading is {units.age(age_s)} old, from {self._moment()}. Check the agent and the broker."
            )

    def _moment(self) -> str:
        newest_ms = self.reader.view.newest_ms or 0
        return f"{units.clock(newest_ms, self.reader.zone)} on {units.day(newest_ms, self.reader.zone)}"

    def _age_s(self) -> float | None:
        newest_ms = self.reader.view.newest_ms
        return None if newest_ms is None else max(0.0, (self.reader.clock_ms() - newest_ms) / 1000)


_LEFT_OUT: Final = (
    "This page is left out",
    f"It needs every van of the fleet, and there are more than {LARGE_FLEET:,} of them. The fleet page has the depots, "
    "each van has its page, and `vanpulse report` has all of the fleet.",
)
_PANELS: Final = {
    "starting": ("Reading the store", "The fleet appears in a moment."),
    "empty": (
        "No readings yet",
        "The store answers but is empty. The fleet appears here after the first reading of a van.",
    ),
    "live": ("Reading the store", "The fleet appears in a moment."),
    "unreachable": (
        "The store cannot be read",
        "The page tries again every few seconds. You do not need to reload it.",
    ),
}


def van_mark(van: LatestVan, severity: str | None) -> list[Any]:
    """A van in the format of the map."""
    latitude, longitude = van.trail[-1] if van.trail else (None, None)
    return [van.vehicle_id, van.state, van.soc_pct, latitude, longitude, van.location.get("heading_deg"), severity]


@contextmanager
def card(css: str = "") -> Iterator[Element]:
    """A card, which contains other elements."""
    with div(f"vp-card {css}") as element:
        yield element


@contextmanager
def grid(css: str) -> Iterator[None]:
    """Cards side by side."""
    with div(f"vp-grid {css}"):
        yield


def page_head(title: str, note: str = "") -> Text:
    """Add the heading of the page. Returns the note beside it."""
    with div("vp-page-head"):
        text(title, tag="h1")
        return text(note, "vp-sub")


def state_legend() -> None:
    """The legend of states."""
    with div("vp-legend"):
        for state in ("driving", "stopped", "charging", "parked", "offline"):
            raw(f'<span class="vp-dot vp-{state}"></span>{state}', tag="span")
        text("Ring: state of charge")
