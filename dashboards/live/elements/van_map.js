// The map: vans, depots and tracks on one canvas over Leaflet, which handles panning, zooming, touch and keys.
// Without a tile server it draws land outlines, a graticule with coordinates and a scale.
import { leaflet as L } from "nicegui-leaflet";
import { layers } from "/live-static/map_layers.js";
import { STATES, decode, glyph, halo, palette } from "/live-static/map_shapes.js";

const CELL = 40; // px: vans nearer than this are drawn as one at small scales
const CLUSTER_FROM = 4;
const ALONE_FROM_ZOOM = 14;
const TRAIL = 48;

export default {
  template: `<div class="vp-map" :class="{'vp-map-plain': !tiles}">
    <div ref="map" class="vp-map-box" role="application" tabindex="0"
         aria-label="Map of the vans. Arrow keys move it, plus and minus zoom. The table below lists the same vans."></div>
    <div ref="tip" class="vp-map-tip" hidden></div>
    <button type="button" class="vp-map-fit" @click="fit(true)" title="Show all vans">Fit</button>
  </div>`,
  props: {
    vans: Array, // [[id, state, soc, lat, lon, heading, severity], …]
    trails: Object, // id → [[lat, lon], …]
    depots: Array, // [[name, lat, lon], …]
    path: Array, // the track of one van, drawn in bold
    places: Array, // [[lat, lon, kind, text], …]
    tiles: String,
    land: String, // address of land outlines
    resourcePath: String,
    single: Boolean,
  },
  created() {
    this.byId = new Map();
    this.tracks = new Map(Object.entries(this.trails || {}));
    this.way = this.path || [];
    this.homes = this.depots || [];
    this.marks = this.places || [];
    this.outlines = [];
    this.shown = null; // null = all
    for (const van of this.vans) this.byId.set(van[0], van);
  },
  async mounted() {
    await this.$nextTick();
    await style(`${window.path_prefix || ""}${this.resourcePath}/leaflet/leaflet.css`);
    if (!this.$refs.map) return;
    this.map = L.map(this.$refs.map, {
      center: [50.5, 10],
      zoom: 5,
      minZoom: 2,
      maxZoom: 18,
      zoomSnap: 0.5,
      zoomAnimation: false,
      attributionControl: Boolean(this.tiles),
      worldCopyJump: true,
    });
    this.map.attributionControl?.setPrefix(false);
    L.control.scale({ imperial: false, maxWidth: 140 }).addTo(this.map);
    if (this.tiles) {
      const host = this.tiles.replace(/^\w+:\/\//, "").split("/")[0];
      const attribution = /openstreetmap/.test(host) ? "© OpenStreetMap contributors" : `Map: ${host}`;
      L.tileLayer(this.tiles, { maxZoom: 19, attribution }).addTo(this.map);
    } else if (this.land) this.loadLand();
    this.canvas = document.createElement("canvas");
    this.canvas.className = "vp-map-canvas";
    this.map.getPanes().overlayPane.append(this.canvas);
    this.map.on("move zoom viewreset resize", () => this.soon());
    this.map.on("dragstart zoomstart", (event) => {
      if (event.type === "dragstart" || this.fitted) this.moved = true;
    });
    this.map.on("mousemove", (event) => this.hover(event.containerPoint));
    this.map.on("mouseout", () => this.hover(null));
    this.map.on("click", (event) => this.click(event.containerPoint));
    this.observer = new ResizeObserver(() => {
      this.map.invalidateSize({ pan: false });
      if (!this.moved) this.fit(false);
    });
    this.observer.observe(this.$refs.map);
    this.redraw = () => this.soon();
    this.onFilter = (event) => {
      this.shown = event.detail;
      this.soon();
    };
    window.addEventListener("vp-theme", this.redraw);
    window.addEventListener("vp-filter", this.onFilter);
    this.fit(false);
    this.soon();
  },
  unmounted() {
    window.removeEventListener("vp-theme", this.redraw);
    window.removeEventListener("vp-filter", this.onFilter);
    this.observer?.disconnect();
    this.map?.remove();
  },
  methods: {
    ...layers,
    patch(vans) {
      const first = this.byId.size === 0;
      for (const van of vans) {
        this.byId.set(van[0], van);
        if (van[3] === null || this.single) continue;
        const track = this.tracks.get(van[0]) || [];
        const last = track[track.length - 1];
        if (!last || last[0] !== van[3] || last[1] !== van[4]) track.push([van[3], van[4]]);
        if (track.length > TRAIL) track.shift();
        this.tracks.set(van[0], track);
      }
      if (first) this.fit(false);
      this.soon();
    },
    setDepots(depots) {
      this.homes = depots;
      this.soon();
    },
    setPath(path) {
      const first = this.way.length === 0;
      this.way = path;
      if (first && !this.moved) this.fit(false);
      this.soon();
    },
    setPlaces(places) {
      this.marks = places;
      this.soon();
    },
    async loadLand() {
      try {
        const response = await fetch(this.land);
        if (response.ok) this.outlines = decode(await response.json());
        this.soon();
      } catch {
        this.outlines = []; // without outlines, the graticule gives the orientation
      }
    },
    fit(again) {
      if (!this.map) return;
      const points = this.way.length ? [...this.way] : [];
      for (const van of this.byId.values()) if (van[3] !== null) points.push([van[3], van[4]]);
      if (!points.length) return;
      if (again) this.moved = false;
      this.fitted = false;
      this.map.fitBounds(L.latLngBounds(points), { padding: [34, 34], maxZoom: 14, animate: false });
      this.fitted = true;
    },
    soon() {
      if (this.waiting || !this.map) return;
      this.waiting = requestAnimationFrame(() => {
        this.waiting = null;
        if (this.map) this.draw();
      });
    },
    draw() {
      const size = this.map.getSize();
      const ratio = window.devicePixelRatio || 1;
      if (this.canvas.width !== size.x * ratio || this.canvas.height !== size.y * ratio) {
        this.canvas.width = size.x * ratio;
        this.canvas.height = size.y * ratio;
        this.canvas.style.width = `${size.x}px`;
        this.canvas.style.height = `${size.y}px`;
      }
      L.DomUtil.setPosition(this.canvas, this.map.containerPointToLayerPoint([0, 0]));
      const pen = this.canvas.getContext("2d");
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.clearRect(0, 0, size.x, size.y);
      this.paint = palette();
      pen.font = `11px ${getComputedStyle(document.body).fontFamily}`;
      if (!this.tiles) {
        this.drawLand(pen, size);
        this.drawGraticule(pen, size);
      }
      this.drawTracks(pen, size);
      this.drawWay(pen);
      this.drawDepots(pen);
      this.drawPlaces(pen);
      this.drawVans(pen, size);
      this.drawDepotNames(pen);
    },
    at(lat, lon) {
      return this.map.latLngToContainerPoint([lat, lon]);
    },
    drawVans(pen, size) {
      this.hits = [];
      const groups = [];
      const cells = new Map(); // "column:row" → the groups that began there
      const cluster = !this.single && this.map.getZoom() < ALONE_FROM_ZOOM;
      for (const van of this.byId.values()) {
        if (van[3] === null || (this.shown && !this.shown.has(van[0]))) continue;
        const { x, y } = this.at(van[3], van[4]);
        if (x < -40 || y < -40 || x > size.x + 40 || y > size.y + 40) continue;
        const column = Math.floor(x / CELL);
        const row = Math.floor(y / CELL);
        let group = cluster ? near(cells, column, row, x, y) : null;
        if (!group) {
          group = [];
          groups.push(group);
          const key = `${column}:${row}`;
          if (!cells.has(key)) cells.set(key, []);
          cells.get(key).push(group);
        }
        group.push({ van, x, y });
      }
      const singles = [];
      for (const members of groups) {
        if (members.length >= CLUSTER_FROM) this.drawCluster(pen, members);
        else singles.push(...members);
      }
      const order = ["offline", "parked", "charging", "stopped", "driving"];
      singles.sort((a, b) => order.indexOf(a.van[1]) - order.indexOf(b.van[1]));
      for (const one of singles) this.drawVan(pen, one);
    },
    drawVan(pen, { van, x, y }) {
      const [id, state, soc, , , heading, severity] = van;
      const colour = this.paint[state] || this.paint.quiet;
      const r = this.single ? 9 : 7;
      this.hits.push({ x, y, r: r + 5, id, van });
      pen.lineWidth = 2.5;
      pen.fillStyle = this.paint.surface;
      pen.beginPath();
      pen.arc(x, y, r + 4, 0, 7);
      pen.fill();
      if (soc !== null && soc !== undefined) {
        pen.strokeStyle = this.paint.line;
        pen.beginPath();
        pen.arc(x, y, r + 2.5, 0, 7);
        pen.stroke();
        pen.strokeStyle = soc < 20 ? this.paint.critical : colour;
        pen.beginPath();
        pen.arc(x, y, r + 2.5, -Math.PI / 2, -Math.PI / 2 + (Math.PI * 2 * soc) / 100);
        pen.stroke();
      }
      pen.fillStyle = pen.strokeStyle = colour;
      glyph(pen, state, x, y, r - 1, heading, this.paint.surface);
      if (severity === "critical" || severity === "warning") {
        pen.fillStyle = this.paint[severity];
        pen.strokeStyle = this.paint.surface;
        pen.lineWidth = 1.5;
        pen.beginPath();
        pen.arc(x + r, y - r, 4, 0, 7);
        pen.fill();
        pen.stroke();
      }
      if (this.map.getZoom() >= 14 && !this.single) {
        pen.textAlign = "left";
        pen.textBaseline = "middle";
        halo(pen, id, x + r + 7, y, this.paint);
      }
    },
    drawCluster(pen, members) {
      const x = members.reduce((sum, one) => sum + one.x, 0) / members.length;
      const y = members.reduce((sum, one) => sum + one.y, 0) / members.length;
      const r = Math.min(30, 11 + 3.2 * Math.log2(members.length));
      this.hits.push({ x, y, r, members });
      pen.fillStyle = this.paint.surface;
      pen.beginPath();
      pen.arc(x, y, r + 3, 0, 7);
      pen.fill();
      let angle = -Math.PI / 2;
      pen.lineWidth = 5;
      for (const state of [...STATES, null]) {
        const count = members.filter((one) => (one.van[1] ?? null) === state).length;
        if (!count) continue;
        const next = angle + (Math.PI * 2 * count) / members.length;
        pen.strokeStyle = this.paint[state] || this.paint.quiet;
        pen.beginPath();
        pen.arc(x, y, r, angle, next);
        pen.stroke();
        angle = next;
      }
      pen.fillStyle = this.paint.ink;
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      pen.font = `600 12px ${getComputedStyle(document.body).fontFamily}`;
      pen.fillText(String(members.length), x, y + 0.5);
      pen.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    },
    hit(point) {
      let best = null;
      let nearest = Infinity;
      for (const one of this.hits || []) {
        const distance = Math.hypot(one.x - point.x, one.y - point.y);
        if (distance <= one.r + 3 && distance < nearest) {
          nearest = distance;
          best = one;
        }
      }
      return best;
    },
    hover(point) {
      const one = point && this.hit(point);
      const tip = this.$refs.tip;
      this.$refs.map.style.cursor = one ? "pointer" : "";
      tip.hidden = !one;
      if (!one) return;
      tip.replaceChildren(...lines(one));
      tip.style.left = `${Math.min(one.x + 14, this.map.getSize().x - 170)}px`;
      tip.style.top = `${Math.max(4, one.y - 20)}px`;
    },
    click(point) {
      const one = this.hit(point);
      if (!one || this.single) return;
      if (one.id) {
        window.location.href = `/van/${encodeURIComponent(one.id)}`;
        return;
      }
      const bounds = L.latLngBounds(one.members.map(({ van }) => [van[3], van[4]]));
      const zoom = Math.max(this.map.getZoom() + 1.5, Math.min(this.map.getBoundsZoom(bounds.pad(0.3)), 15));
      this.moved = true;
      this.hover(null);
      this.map.setView(bounds.getCenter(), zoom, { animate: false });
    },
  },
};

function lines(one) {
  const vp = window.vanpulse;
  const head = document.createElement("b");
  const rest = document.createElement("div");
  if (one.id) {
    head.textContent = one.id;
    rest.textContent = `${one.van[1] || "unknown"}, ${vp.number(one.van[2])} %`;
  } else {
    head.textContent = `${one.members.length} vans`;
    rest.textContent = STATES.map((state) => [state, one.members.filter((each) => each.van[1] === state).length])
      .filter(([, count]) => count)
      .map(([state, count]) => `${count} ${state}`)
      .join(", ");
  }
  return [head, rest];
}

// The group whose first van is within one cell, if there is one.
function near(cells, column, row, x, y) {
  for (let dx = -1; dx <= 1; dx++) {
    for (let dy = -1; dy <= 1; dy++) {
      for (const group of cells.get(`${column + dx}:${row + dy}`) || []) {
        if (Math.hypot(group[0].x - x, group[0].y - y) < CELL) return group;
      }
    }
  }
  return null;
}

function style(href) {
  if (document.querySelector(`link[href="${href}"]`)) return Promise.resolve();
  return new Promise((resolve) => {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
    link.onload = link.onerror = resolve;
    document.head.append(link);
  });
}
