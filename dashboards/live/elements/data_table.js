// A table that is sorted and searched in the browser. Rows are patched by key, so that a tick updates only changed rows.
const RESORT_MS = 2000;

export default {
  template: `
    <div class="vp-table">
      <div class="vp-table-bar" v-if="searchable || title">
        <h2 v-if="title" class="vp-title">{{ title }}</h2>
        <label v-if="searchable" class="vp-search-box">
          <span class="vp-visually-hidden">Search {{ title }}</span>
          <input class="vp-search" type="search" :placeholder="placeholder" v-model="text" @input="filter" />
        </label>
        <div v-if="stateColumn >= 0" class="vp-chips" role="group" aria-label="Show only">
          <button v-for="state in states" :key="state" type="button" class="vp-chip-button"
                  :aria-pressed="chosen.has(state)" @click="toggle(state)">
            <span class="vp-dot" :class="'vp-' + state"></span>{{ state }}<b>{{ counts[state] || 0 }}</b>
          </button>
        </div>
        <span class="vp-note" role="status">{{ shownText }}</span>
      </div>
      <div class="vp-table-scroll" ref="scroll" tabindex="-1">
        <table>
          <caption class="vp-visually-hidden">{{ title }}</caption>
          <thead>
            <tr>
              <th v-for="(column, index) in columns" :key="column.label" scope="col"
                  :class="classes(column)" :aria-sort="sortWord(index)">
                <button type="button" @click="sortBy(index)" :title="column.help || ''">
                  {{ column.label }}<small v-if="column.unit">{{ column.unit }}</small>
                  <span class="vp-arrow" aria-hidden="true">{{ arrow(index) }}</span>
                </button>
              </th>
            </tr>
          </thead>
          <tbody ref="body"></tbody>
        </table>
        <p v-if="!matches" class="vp-nothing">{{ size ? "Nothing matches the search." : nothing }}</p>
        <button v-if="matches > limit" type="button" class="vp-more" @click="more">
          Show more ({{ matches - limit }} left)
        </button>
      </div>
    </div>`,
  props: {
    columns: Array, // {label, unit, type, digits, hide, help, sort: 'desc'|'asc'}
    rows: Array, // [key, value, value, …]
    title: String,
    searchable: Boolean,
    placeholder: { type: String, default: "Search" },
    nothing: { type: String, default: "Nothing yet." },
    sort: { type: Array, default: () => [0, 1] }, // column, 1 = ascending, -1 = descending
    link: String, // "/van/{}"
    broadcast: Boolean, // tell the map what is filtered
    page: { type: Number, default: 250 }, // rows shown before "Show more"
  },
  data() {
    return {
      text: "",
      chosen: new Set(),
      counts: {},
      sortColumn: this.sort[0],
      direction: this.sort[1],
      limit: this.page,
      matches: 0,
      size: 0,
      states: ["driving", "stopped", "charging", "parked", "offline"],
    };
  },
  computed: {
    stateColumn() {
      return this.searchable ? this.columns.findIndex((column) => column.type === "state") : -1;
    },
    shownText() {
      if (!this.searchable) return "";
      return this.matches === this.size ? `${this.size}` : `${this.matches} of ${this.size}`;
    },
  },
  created() {
    this.byKey = new Map(); // not reactive on purpose
    for (const row of this.rows) this.byKey.set(row[0], { row, tr: null });
  },
  mounted() {
    this.order();
    this.ticker = setInterval(() => this.refreshAges(), 1000);
  },
  unmounted() {
    clearInterval(this.ticker);
    clearTimeout(this.pending);
  },
  methods: {
    patch(rows) {
      let resort = false;
      let recount = false;
      for (const row of rows) {
        const entry = this.byKey.get(row[0]);
        if (!entry) {
          this.byKey.set(row[0], { row, tr: null });
          resort = recount = true;
          continue;
        }
        const old = entry.row;
        entry.row = row;
        if (old[this.sortColumn + 1] !== row[this.sortColumn + 1]) resort = true;
        if (this.stateColumn >= 0 && old[this.stateColumn + 1] !== row[this.stateColumn + 1]) resort = recount = true;
        if (entry.tr) this.paint(entry, old);
      }
      if (recount) this.count(); // what the rows show, the chips show at once; the order may wait
      if (resort) this.orderSoon();
    },
    count() {
      if (this.stateColumn < 0) return;
      const counts = {};
      for (const entry of this.byKey.values()) {
        const state = entry.row[this.stateColumn + 1];
        if (state) counts[state] = (counts[state] || 0) + 1;
      }
      this.counts = counts;
    },
    replace(rows) {
      const keys = new Set(rows.map((row) => row[0]));
      for (const [key, entry] of this.byKey) {
        if (!keys.has(key)) {
          entry.tr?.remove();
          this.byKey.delete(key);
        }
      }
      this.patch(rows);
      this.order();
    },
    orderSoon() {
      if (this.pending) return;
      const first = this.matches === 0;
      this.pending = setTimeout(
        () => {
          this.pending = null;
          this.order();
        },
        first ? 0 : RESORT_MS,
      );
    },
    filter() {
      this.limit = this.page;
      this.order();
    },
    toggle(state) {
      this.chosen.has(state) ? this.chosen.delete(state) : this.chosen.add(state);
      this.filter();
    },
    more() {
      this.limit += Math.max(this.page, 100);
      this.order();
    },
    sortBy(index) {
      if (this.sortColumn === index) this.direction = -this.direction;
      else {
        this.sortColumn = index;
        this.direction = this.isText(this.columns[index]) ? 1 : -1;
      }
      this.order();
    },
    isText(column) {
      return ["text", "message", "state", "link", "severity", "verdict"].includes(column.type);
    },
    sortWord(index) {
      if (index !== this.sortColumn) return "none";
      return this.direction > 0 ? "ascending" : "descending";
    },
    arrow(index) {
      if (index !== this.sortColumn) return "";
      return this.direction > 0 ? "↑" : "↓";
    },
    order() {
      const words = this.text.toLowerCase().split(/\s+/).filter(Boolean);
      const index = this.sortColumn + 1;
      let entries = [];
      for (const entry of this.byKey.values()) {
        const state = this.stateColumn >= 0 ? entry.row[this.stateColumn + 1] : null;
        if (this.chosen.size && !this.chosen.has(state)) continue;
        if (words.length && !words.every((word) => this.textOf(entry).includes(word))) continue;
        entries.push(entry);
      }
      const direction = this.direction;
      const compare = new Intl.Collator("en", { numeric: true }).compare;
      entries.sort((a, b) => {
        const x = a.row[index];
        const y = b.row[index];
        if (x === y) return compare(a.row[0], b.row[0]);
        if (x === null || x === undefined) return 1; // unknown last, whichever way
        if (y === null || y === undefined) return -1;
        return direction * (typeof x === "number" && typeof y === "number" ? x - y : compare(String(x), String(y)));
      });
      this.count();
      this.size = this.byKey.size;
      this.matches = entries.length;
      if (this.broadcast) this.tell(entries, words);
      this.place(entries.slice(0, this.limit));
    },
    tell(entries, words) {
      const all = !words.length && !this.chosen.size;
      const keys = all ? null : new Set(entries.map((entry) => entry.row[0]));
      window.dispatchEvent(new CustomEvent("vp-filter", { detail: keys }));
    },
    textOf(entry) {
      const texts = [];
      this.columns.forEach((column, index) => {
        if (this.isText(column)) texts.push(entry.row[index + 1]);
      });
      return texts.join(" ").toLowerCase();
    },
    place(entries) {
      const body = this.$refs.body;
      if (!body) return;
      const wanted = new Set(entries);
      for (const entry of this.byKey.values()) {
        if (entry.tr && !wanted.has(entry)) {
          entry.tr.remove();
          entry.tr = null;
        }
      }
      let next = body.firstChild;
      for (const entry of entries) {
        if (!entry.tr) this.paint(entry, null);
        if (entry.tr === next) next = next.nextSibling;
        else body.insertBefore(entry.tr, next);
      }
    },
    paint(entry, old) {
      if (!entry.tr) {
        entry.tr = document.createElement("tr");
        entry.tr.dataset.key = entry.row[0];
        for (const column of this.columns) {
          const cell = document.createElement(column.type === "link" ? "th" : "td");
          if (column.type === "link") cell.scope = "row";
          cell.className = this.classes(column);
          entry.tr.append(cell);
        }
      }
      this.columns.forEach((column, index) => {
        const value = entry.row[index + 1];
        if (old && old[index + 1] === value) return;
        this.fill(entry.tr.children[index], column, value, entry.row[0]);
      });
    },
    classes(column) {
      return `${this.isText(column) ? "" : "vp-number "}vp-type-${column.type} ${column.hide ? `vp-hide-${column.hide}` : ""}`;
    },
    fill(cell, column, value, key) {
      const vp = window.vanpulse;
      switch (column.type) {
        case "link": {
          const link = document.createElement("a");
          link.href = this.link.replace("{}", encodeURIComponent(value));
          link.textContent = value;
          cell.replaceChildren(link);
          break;
        }
        case "state":
        case "severity":
        case "verdict":
          cell.replaceChildren(...chip(value));
          break;
        case "soc":
          cell.replaceChildren(bar(value), vp.number(value, column.digits ?? 0));
          break;
        case "time":
          cell.textContent = vp.time(value);
          cell.title = value ? vp.fullTime(value) : "";
          break;
        case "age":
          cell.dataset.ms = value ?? "";
          cell.textContent = age(value);
          cell.title = value ? vp.fullTime(value) : "";
          break;
        case "span":
          cell.textContent = vp.span(value);
          break;
        case "number":
          cell.textContent = vp.number(value, column.digits ?? 0);
          break;
        default:
          cell.textContent = value ?? "–";
      }
    },
    refreshAges() {
      if (document.hidden) return;
      for (const cell of this.$refs.body.querySelectorAll(".vp-type-age")) {
        const text = age(cell.dataset.ms ? Number(cell.dataset.ms) : null);
        if (cell.textContent !== text) cell.textContent = text;
      }
    },
  },
};

function age(ms) {
  return ms ? window.vanpulse.span((Date.now() - ms) / 1000) : "–";
}

function chip(value) {
  if (!value) return ["–"];
  const dot = document.createElement("span");
  dot.className = `vp-dot vp-${value.replace(/ /g, "-")}`;
  return [dot, value];
}

function bar(value) {
  const outer = document.createElement("span");
  outer.className = "vp-bar";
  const inner = document.createElement("span");
  inner.style.width = `${Math.max(0, Math.min(100, value ?? 0))}%`;
  if (value !== null && value !== undefined && value < 20) inner.className = "vp-low";
  outer.append(inner);
  return outer;
}
