// Code shared by all pages and elements: the theme, and the format of numbers and times.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const remembered = () => {
    try {
      return localStorage.getItem("vanpulse-theme") || "auto";
    } catch {
      return "auto"; // storage may be forbidden
    }
  };

  function applyTheme(choice) {
    const dark = choice === "dark" || (choice === "auto" && system.matches);
    root.dataset.theme = dark ? "dark" : "light";
    root.dataset.themeChoice = choice;
    window.dispatchEvent(new Event("vp-theme"));
  }

  function nextTheme() {
    const order = ["auto", "light", "dark"];
    const choice = order[(order.indexOf(remembered()) + 1) % order.length];
    try {
      localStorage.setItem("vanpulse-theme", choice);
    } catch {
      // the theme then applies to this page only
    }
    applyTheme(choice);
  }

  applyTheme(remembered());
  system.addEventListener("change", () => applyTheme(remembered()));

  const formats = new Map();
  function number(value, digits = 0) {
    if (value === null || value === undefined || !Number.isFinite(value)) return "–";
    if (!formats.has(digits)) {
      formats.set(
        digits,
        new Intl.NumberFormat("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits }),
      );
    }
    const text = formats.get(digits).format(value).replace("-", "−");
    return /[1-9]/.test(text) ? text : text.replace("−", ""); // no "−0.0"
  }

  const clocks = new Map();
  function clock(options) {
    const key = JSON.stringify(options);
    if (!clocks.has(key)) {
      const timeZone = window.vanpulse.timeZone;
      clocks.set(key, new Intl.DateTimeFormat("en-GB", { timeZone, hourCycle: "h23", ...options }));
    }
    return clocks.get(key);
  }
  const hm = { hour: "2-digit", minute: "2-digit" };
  const day = { year: "numeric", month: "2-digit", day: "2-digit" };
  function dayOf(ms) {
    return clock(day).format(ms);
  }
  function time(ms) {
    if (ms === null || ms === undefined) return "–";
    const near = Math.abs(Date.now() - ms) < 43_200_000 || dayOf(ms) === dayOf(Date.now());
    return near ? clock(hm).format(ms) : clock({ day: "numeric", month: "short", ...hm }).format(ms);
  }
  function clockTime(ms) {
    return clock(hm).format(ms);
  }
  function fullTime(ms) {
    return clock({ day: "numeric", month: "short", year: "numeric", ...hm, second: "2-digit" }).format(ms);
  }
  function span(seconds) {
    if (seconds === null || seconds === undefined) return "–";
    const s = Math.max(0, Math.round(seconds));
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min`;
    if (s < 86_400) return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")}`;
    return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
  }

  function color(name) {
    return getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  }

  window.vanpulse = { timeZone: "UTC", nextTheme, number, time, clockTime, fullTime, span, color };

  window.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName || "")) return;
    const field = document.querySelector(".vp-search");
    if (field) {
      event.preventDefault();
      field.focus();
    }
  });
})();
