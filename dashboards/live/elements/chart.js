// A chart of lines over time or bars over hours, in the colours and the time zone of the page.
import { echarts } from "nicegui-echart";

export default {
  template: `<figure class="vp-chart">
    <figcaption><span class="vp-title">{{ title }}</span><small>{{ unit }}</small><span class="vp-note">{{ note }}</span></figcaption>
    <div ref="plot" class="vp-plot" role="img" :aria-label="title + ' in ' + unit"></div>
    <p v-if="empty" class="vp-nothing vp-over">{{ nothing }}</p>
  </figure>`,
  props: {
    title: String,
    unit: String,
    note: String,
    nothing: { type: String, default: "Nothing recorded in this time." },
    digits: { type: Number, default: 1 },
    series: Array, // {name, color, data: [[ms, value], …], type, area, stack, width}
    low: Number,
    high: Number,
    barMs: { type: Number, default: 3_600_000 }, // what one bar stands for; its time is the middle
  },
  data() {
    return { empty: false };
  },
  created() {
    this.current = this.series;
  },
  mounted() {
    this.chart = echarts.init(this.$refs.plot, null, { renderer: "canvas" });
    this.observer = new ResizeObserver(() => this.chart.resize());
    this.observer.observe(this.$refs.plot);
    this.retheme = () => this.draw(true);
    window.addEventListener("vp-theme", this.retheme);
    this.draw(true);
  },
  unmounted() {
    window.removeEventListener("vp-theme", this.retheme);
    this.observer?.disconnect();
    this.chart?.dispose();
  },
  methods: {
    set(series) {
      this.current = series;
      if (this.chart) this.draw(false);
    },
    draw(whole) {
      const vp = window.vanpulse;
      const ink = vp.color("ink-2");
      const line = vp.color("line");
      const bars = this.current.some((one) => one.type === "bar");
      this.empty = !this.current.some((one) => one.data.some((point) => point[1] !== null));
      const option = {
        animation: false,
        useUTC: true,
        textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
        grid: { left: 4, right: 14, top: this.current.length > 1 ? 30 : 12, bottom: 4, containLabel: true },
        legend: {
          show: this.current.length > 1,
          top: 0,
          left: 0,
          itemWidth: 14,
          itemHeight: 8,
          icon: "roundRect",
          textStyle: { color: ink, fontSize: 12 },
        },
        tooltip: {
          trigger: "axis",
          confine: true,
          backgroundColor: vp.color("surface"),
          borderColor: line,
          textStyle: { color: vp.color("ink"), fontSize: 12 },
          axisPointer: { type: bars ? "shadow" : "line", lineStyle: { color: ink }, label: { show: false } },
          formatter: (items) => this.tip(items, bars),
        },
        xAxis: {
          type: "time",
          axisLine: { lineStyle: { color: line } },
          axisTick: { show: false },
          splitLine: { show: false },
          axisLabel: { color: ink, fontSize: 11, hideOverlap: true, formatter: (ms) => vp.clockTime(ms) },
        },
        yAxis: {
          type: "value",
          min: this.low ?? null,
          max: this.high ?? null,
          splitNumber: 4,
          interval: this.low === 0 && this.high === 100 ? 25 : null,
          axisLabel: { color: ink, fontSize: 11, formatter: (value) => vp.number(value, value % 1 ? 1 : 0) },
          splitLine: { lineStyle: { color: line } },
        },
        series: this.current.map((one) => this.line(one)),
      };
      this.chart.setOption(option, { notMerge: whole });
    },
    line(one) {
      const color = window.vanpulse.color(one.color);
      const common = { name: one.name, data: one.data, itemStyle: { color }, stack: one.stack };
      if (one.type === "bar") return { ...common, type: "bar", barMaxWidth: 22, barGap: "10%" };
      return {
        ...common,
        type: "line",
        showSymbol: false,
        connectNulls: false,
        step: one.step ? "end" : false,
        lineStyle: { color, width: one.width || 1.6, type: one.dashed ? "dashed" : "solid" },
        areaStyle: one.area ? { color, opacity: 0.12 } : null,
        sampling: "lttb",
      };
    },
    tip(items, bars) {
      const vp = window.vanpulse;
      const box = document.createElement("div");
      const head = document.createElement("b");
      const ms = items[0].value[0];
      head.textContent = bars ? `${vp.clockTime(ms - this.barMs / 2)} to ${vp.clockTime(ms + this.barMs / 2)}` : vp.time(ms);
      box.append(head);
      for (const item of items) {
        const row = document.createElement("div");
        const dot = document.createElement("span");
        dot.className = "vp-dot";
        dot.style.background = item.color;
        row.append(dot, `${item.seriesName} `, `${vp.number(item.value[1], this.digits)} ${this.unit}`);
        box.append(row);
      }
      return box;
    },
  },
};
