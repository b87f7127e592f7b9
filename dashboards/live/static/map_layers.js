// The layers of the map below the vans: land, graticule, tracks, depots and places. They are methods of the map element.
import { degrees, halo } from "/live-static/map_shapes.js";

const LAND_TO_ZOOM = 9;
const STEPS = [20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005];

export const layers = {
  drawLand(pen, size) {
    if (this.map.getZoom() > LAND_TO_ZOOM || !this.outlines.length) {
      pen.fillStyle = this.paint.land; // the outlines are too coarse for streets, so the ground is plain
      pen.fillRect(0, 0, size.x, size.y);
      return;
    }
    const bounds = this.map.getBounds().pad(0.1);
    pen.lineJoin = "round";
    for (const { kind, box, points } of this.outlines) {
      if (box[0] > bounds.getNorth() || box[2] < bounds.getSouth()) continue;
      if (box[1] > bounds.getEast() || box[3] < bounds.getWest()) continue;
      pen.beginPath();
      for (let index = 0; index < points.length; index += 2) {
        const point = this.at(points[index], points[index + 1]);
        index ? pen.lineTo(point.x, point.y) : pen.moveTo(point.x, point.y);
      }
      pen.strokeStyle = kind === "borders" ? this.paint.border : this.paint.coast;
      pen.lineWidth = kind === "borders" ? 0.8 : 1;
      if (kind !== "borders") {
        pen.fillStyle = kind === "areas" ? this.paint.land : this.paint.sea;
        pen.closePath();
        pen.fill();
      }
      pen.stroke();
    }
  },
  drawGraticule(pen, size) {
    const bounds = this.map.getBounds();
    const middle = bounds.getCenter();
    const perPixel = (bounds.getEast() - bounds.getWest()) / size.x;
    const step = STEPS.findLast((one) => one / perPixel >= 90) ?? STEPS[0];
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    pen.strokeStyle = this.paint.grid;
    pen.fillStyle = this.paint.quiet;
    pen.lineWidth = 1;
    pen.textBaseline = "alphabetic";
    pen.textAlign = "left";
    pen.beginPath();
    const labels = [];
    for (let lon = Math.ceil(bounds.getWest() / step) * step; lon <= bounds.getEast(); lon += step) {
      const x = Math.round(this.at(middle.lat, lon).x) + 0.5;
      pen.moveTo(x, 0);
      pen.lineTo(x, size.y);
      if (x < size.x - 60) labels.push([degrees(lon, digits, "E", "W"), x + 4, 12]);
    }
    for (let lat = Math.ceil(bounds.getSouth() / step) * step; lat <= bounds.getNorth(); lat += step) {
      const y = Math.round(this.at(lat, middle.lng).y) + 0.5;
      pen.moveTo(0, y);
      pen.lineTo(size.x, y);
      if (y > 24) labels.push([degrees(lat, digits, "N", "S"), size.x - 58, y - 4]);
    }
    pen.stroke();
    for (const [text, x, y] of labels) pen.fillText(text, x, y);
  },
  drawTracks(pen, size) {
    if (this.map.getZoom() < 8 || this.single) return;
    pen.strokeStyle = this.paint.track;
    pen.lineWidth = 1.5;
    pen.lineJoin = "round";
    pen.beginPath();
    for (const [id, track] of this.tracks) {
      if (this.shown && !this.shown.has(id)) continue;
      let previous = null;
      for (const [lat, lon] of track) {
        const point = this.at(lat, lon);
        const inside = point.x > -200 && point.y > -200 && point.x < size.x + 200 && point.y < size.y + 200;
        if (previous && inside) {
          pen.moveTo(previous.x, previous.y);
          pen.lineTo(point.x, point.y);
        }
        previous = inside ? point : null;
      }
    }
    pen.stroke();
  },
  drawWay(pen) {
    if (this.way.length < 2) return;
    for (const [width, colour] of [
      [5, this.paint.surface],
      [2.5, this.paint.accent],
    ]) {
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      pen.lineJoin = "round";
      pen.beginPath();
      this.way.forEach(([lat, lon], index) => {
        const point = this.at(lat, lon);
        index ? pen.lineTo(point.x, point.y) : pen.moveTo(point.x, point.y);
      });
      pen.stroke();
    }
  },
  drawDepots(pen) {
    for (const [, lat, lon] of this.homes) {
      const { x, y } = this.at(lat, lon);
      pen.fillStyle = this.paint.surface;
      pen.strokeStyle = this.paint.ink;
      pen.lineWidth = 1.5;
      pen.beginPath();
      pen.moveTo(x - 7, y + 7);
      pen.lineTo(x - 7, y - 2);
      pen.lineTo(x, y - 8);
      pen.lineTo(x + 7, y - 2);
      pen.lineTo(x + 7, y + 7);
      pen.closePath();
      pen.fill();
      pen.stroke();
    }
  },
  // Names are drawn last and below the markers of a depot, so that they stay readable.
  drawDepotNames(pen) {
    if (this.map.getZoom() < 4) return;
    pen.font = `600 12px ${getComputedStyle(document.body).fontFamily}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    const taken = [];
    for (const [name, lat, lon] of this.homes) {
      const { x, y } = this.at(lat, lon);
      let below = y + 19;
      for (const one of this.hits) {
        if (Math.abs(one.x - x) < 30 && Math.abs(one.y - y) < 40) below = Math.max(below, one.y + one.r + 14);
      }
      const half = pen.measureText(name).width / 2 + 4;
      if (this.hits.some((one) => one.r > 12 && Math.hypot(Math.max(0, Math.abs(one.x - x) - half), one.y - below) < one.r)) continue;
      if (taken.some((other) => Math.abs(other.x - x) < half + other.half && Math.abs(other.y - below) < 16)) continue;
      taken.push({ x, y: below, half });
      halo(pen, name, x, below, this.paint);
    }
  },
  drawPlaces(pen) {
    for (const [lat, lon, kind] of this.marks) {
      const { x, y } = this.at(lat, lon);
      pen.fillStyle = kind === "charge" ? this.paint.charging : this.paint.quiet;
      pen.strokeStyle = this.paint.surface;
      pen.lineWidth = 1.5;
      pen.beginPath();
      pen.rect(x - 4, y - 4, 8, 8);
      pen.fill();
      pen.stroke();
    }
  },
};
