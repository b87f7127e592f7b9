// Shapes, texts and colours that the map draws.
export const STATES = ["driving", "stopped", "charging", "parked", "offline"];

// Each state has its own shape, so that colours are not needed to distinguish states.
export function glyph(pen, state, x, y, r, heading, surface) {
  pen.beginPath();
  if (state === "driving") {
    const turn = ((heading ?? 0) * Math.PI) / 180;
    for (const [index, [angle, far]] of [[0, 1.15], [2.5, 1.1], [Math.PI, 0.35], [-2.5, 1.1]].entries()) {
      const px = x + Math.sin(turn + angle) * r * far;
      const py = y - Math.cos(turn + angle) * r * far;
      index ? pen.lineTo(px, py) : pen.moveTo(px, py);
    }
    pen.fill();
  } else if (state === "stopped") {
    pen.rect(x - r * 0.75, y - r * 0.75, r * 1.5, r * 1.5);
    pen.fill();
  } else if (state === "offline") {
    pen.lineWidth = 2;
    pen.moveTo(x - r * 0.6, y - r * 0.6);
    pen.lineTo(x + r * 0.6, y + r * 0.6);
    pen.moveTo(x + r * 0.6, y - r * 0.6);
    pen.lineTo(x - r * 0.6, y + r * 0.6);
    pen.stroke();
  } else {
    pen.arc(x, y, r * 0.95, 0, 7);
    pen.fill();
    if (state === "charging") {
      pen.fillStyle = surface;
      pen.beginPath();
      for (const [index, [dx, dy]] of [[0.15, -0.75], [-0.5, 0.15], [-0.05, 0.15], [-0.15, 0.75], [0.5, -0.15], [0.05, -0.15]].entries()) {
        index ? pen.lineTo(x + dx * r, y + dy * r) : pen.moveTo(x + dx * r, y + dy * r);
      }
      pen.fill();
    }
  }
}

export function halo(pen, text, x, y, paint) {
  pen.lineWidth = 3;
  pen.lineJoin = "round";
  pen.strokeStyle = paint.surface;
  pen.strokeText(text, x, y);
  pen.fillStyle = paint.ink;
  pen.fillText(text, x, y);
}

export function degrees(value, digits, positive, negative) {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? "0°" : `${text}° ${value > 0 ? positive : negative}`;
}

export function decode(land) {
  const outlines = [];
  for (const kind of ["areas", "seas", "borders"]) {
    for (const steps of land[kind]) {
      const points = new Float32Array(steps.length);
      const box = [90, 180, -90, -180];
      for (let index = 0, lat = 0, lon = 0; index < steps.length; index += 2) {
        lat += steps[index];
        lon += steps[index + 1];
        points[index] = lat / 50;
        points[index + 1] = lon / 50;
        box[0] = Math.min(box[0], lat / 50);
        box[1] = Math.min(box[1], lon / 50);
        box[2] = Math.max(box[2], lat / 50);
        box[3] = Math.max(box[3], lon / 50);
      }
      outlines.push({ kind, box, points });
    }
  }
  return outlines;
}

export function palette() {
  const names = ["ink", "quiet", "line", "surface", "accent", "critical", "warning", "grid", "land", "sea", "coast", "border", "track"];
  return Object.fromEntries([...names, ...STATES].map((name) => [name, window.vanpulse.color(name)]));
}
