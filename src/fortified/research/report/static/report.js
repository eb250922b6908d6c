"use strict";
/* Draws the charts of the page, sorts its tables, and turns from light to dark. Loads nothing. */
(() => {
  const VIEW = 1200; // candles that fit side by side
  const TYPES = {i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array, u4: Uint32Array, f4: Float32Array, f8: Float64Array};
  const root = document.documentElement;
  // Named one by one: among those the library shows by itself is one that sends the chart away.
  const config = {responsive: true, displaylogo: false, plotlyServerURL: "", modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]]};
  const drawn = new Map();

  const decode = value => value && value.bdata
    ? new TYPES[value.dtype](Uint8Array.from(atob(value.bdata), c => c.charCodeAt(0)).buffer) : value || [];

  function coloured(text) {
    const style = getComputedStyle(root);
    return JSON.parse(text.replace(/var\((--[a-z0-9-]+)\)/g, (_, name) => style.getPropertyValue(name).trim()));
  }

  const two = number => String(number).padStart(2, "0");
  const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
  const day = t => `${t.getUTCDate()} ${MONTHS[t.getUTCMonth()]} ${t.getUTCFullYear()}`;
  const clock = t => `${two(t.getUTCHours())}:${two(t.getUTCMinutes())}:${two(t.getUTCSeconds())}`;

  /* The price chart has all candles; a view shows as many as there is room for, joined when there are more. */
  class Prices {
    constructor(box, text) {
      this.box = box;
      this.text = text;
      this.load();
      this.range = [-1, this.count];
    }

    load() {
      const figure = coloured(this.text);
      this.layout = figure.layout;
      this.meta = figure.layout.meta;
      this.times = decode(this.meta.times);
      for (const [n, trace] of (this.traces ?? []).entries()) figure.data[n].visible = trace.visible; // as the legend was clicked
      this.traces = figure.data;
      const candle = figure.data[0];
      [this.open, this.high, this.low, this.close] = ["open", "high", "low", "close"].map(name => decode(candle[name]));
      this.count = this.close.length;
      for (const trace of this.traces.slice(1)) {
        for (const name of ["x", "y", "z"]) if (trace[name]) trace[name] = decode(trace[name]);
      }
      const kind = name => this.traces.filter(trace => trace.meta === name);
      [this.lines, this.states, this.sparse] = [kind("line"), kind("state"), [...kind("legs"), ...kind("mark")]];
      for (const trace of [...this.lines, ...this.states]) trace.full = trace.z ?? trace.y;
      for (const trace of this.sparse) trace.full = {x: trace.x, y: trace.y, size: trace.marker?.size};
      const digits = options => new Intl.NumberFormat("en-US", options).format;
      this.price = digits({minimumFractionDigits: this.meta.decimals, maximumFractionDigits: this.meta.decimals});
      this.size = digits({maximumSignificantDigits: 5});
    }

    draw() {
      const first = Math.max(0, Math.floor(this.range[0])), last = Math.min(this.count, Math.ceil(this.range[1]) + 1);
      const step = Math.max(1, Math.ceil((last - first) / VIEW));
      const start = first - first % step;
      const [low, high] = this.candles(start, last, step);
      for (const trace of this.sparse) this.within(trace, first, last);
      this.crowd(this.marked(first, last));
      const pad = (high - low) * 0.05 || 1;
      Object.assign(this.layout.xaxis, {range: this.range, autorange: false});
      this.layout.yaxis.range = [low - pad, high + pad];
      this.ticks(first, last);
      this.note(step);
      return Plotly.react(this.box, this.traces, this.layout, config);
    }

    /* The more trades are in view, the less is drawn of each. */
    crowd(count) {
      const many = count > 400;
      for (const trace of this.traces) {
        if (trace.meta === "entry") Object.assign(trace.marker, {size: many ? 5 : count > 150 ? 8 : 11, line: {...trace.marker.line, width: many ? 0 : 1}});
        if (trace.meta === "mark") trace.marker.size = trace.full.size / (trace.x.length > 400 ? 2 : 1);
        if (trace.meta === "exit") trace.visible = many ? "legendonly" : true;
        if (trace.meta === "link") Object.assign(trace.line, many ? {width: 0.8, dash: "solid"} : {width: 1.6, dash: "dot"});
      }
    }

    candles(start, stop, step) {
      const candle = this.traces[0];
      Object.assign(candle, {x: [], open: [], high: [], low: [], close: [], text: []});
      const lines = this.lines.map(line => ({line, x: [], y: []})), states = this.states.map(state => ({state, z: []}));
      let bottom = Infinity, top = -Infinity;
      for (let i = start; i < stop; i += step) {
        const end = Math.min(i + step, this.count);
        let low = Infinity, high = -Infinity;
        for (let j = i; j < end; j++) {
          low = Math.min(low, this.low[j]);
          high = Math.max(high, this.high[j]);
        }
        const x = (i + end - 1) / 2;
        candle.x.push(x); candle.open.push(this.open[i]); candle.high.push(high); candle.low.push(low); candle.close.push(this.close[end - 1]);
        for (const each of lines) { each.x.push(x); each.y.push(each.line.full[end - 1]); }
        for (const each of states) each.z.push(each.state.full[end - 1]);
        candle.text.push(this.about(i, end, low, high));
        bottom = Math.min(bottom, low);
        top = Math.max(top, high);
      }
      for (const {line, x, y} of lines) Object.assign(line, {x, y});
      for (const {state, z} of states) Object.assign(state, {z: [z], x0: start + (step - 1) / 2, dx: step});
      candle.hovertemplate = "%{text}<extra></extra>";
      return [bottom, top];
    }

    /* Legs and marks of the view, and one on each side, which a leg into the view needs. */
    within(trace, first, last) {
      const {x, y} = trace.full;
      let from = x.findIndex(place => place >= first), to = x.findLastIndex(place => place <= last);
      if (from < 0) from = x.length;
      [from, to] = [Math.max(0, from - 1), to + 2];
      Object.assign(trace, {x: x.slice(from, to), y: y.slice(from, to)});
    }

    about(i, end, low, high) {
      const t = new Date(this.times[i] * 1000), bars = (end - i) * this.meta.step, at = this.price;
      const values = this.lines.filter(line => line.visible !== "legendonly" && Number.isFinite(line.full[end - 1]))
        .map(line => `${line.name} ${(line.yaxis ? this.size : at)(line.full[end - 1])}`);
      const states = this.states.map(state => `${state.name} ${["down", "none", "up"][state.full[end - 1] + 1]}`);
      return [`<b>${day(t)} ${clock(t)}</b>` + (bars > 1 ? `, ${bars} bars` : ""),
        `O ${at(this.open[i])}  H ${at(high)}  L ${at(low)}  C ${at(this.close[end - 1])}`, ...values, ...states].join("<br>");
    }

    marked(first, last) {
      return this.traces.filter(trace => trace.meta === "entry").reduce((sum, trace) => sum + trace.x.filter(x => x >= first && x <= last).length, 0);
    }

    ticks(first, last) {
      const raw = Math.max(1, (last - first) / Math.max(2, this.box.clientWidth / 130)), scale = 10 ** Math.floor(Math.log10(raw));
      const step = Math.max(1, [1, 2, 5, 10].map(n => n * scale).find(n => n >= raw));
      const places = [];
      for (let i = Math.ceil(Math.max(first, this.range[0]) / step) * step; i < last; i += step) places.push(i);
      const stamps = places.map(i => new Date(this.times[i] * 1000));
      const coarse = stamps.length > 1 && stamps.at(-1) - stamps[0] > 86400e3 * stamps.length;
      this.layout.xaxis.tickvals = places;
      this.layout.xaxis.ticktext = stamps.map((t, n) => coarse ? day(t) : clock(t).slice(0, this.fine(stamps) ? 8 : 5)
        + (n && day(t) === day(stamps[n - 1]) ? "" : `<br><b>${day(t)}</b>`));
    }

    fine(stamps) {
      return stamps.length > 1 && stamps.at(-1) - stamps[0] < 60e3 * stamps.length;
    }

    note(step) {
      let note = this.box.parentElement.querySelector(".joined");
      if (!note) {
        note = document.createElement("p");
        note.className = "note joined";
        this.box.after(note);
      }
      note.textContent = step > 1 ? `In this view each candle joins ${step * this.meta.step} bars; zoom in to see single ones.` : "";
    }

    listen() {
      this.box.on("plotly_relayout", change => {
        const from = change["xaxis.range[0]"] ?? change["xaxis.range"]?.[0], to = change["xaxis.range[1]"] ?? change["xaxis.range"]?.[1];
        if (change["xaxis.autorange"]) this.show(-1, this.count);
        else if (from !== undefined) this.show(from, to);
      });
    }

    show(from, to) {
      this.range = [Math.max(-1, Math.min(from, this.count - 10)), Math.min(this.count, Math.max(to, 10))];
      return this.draw();
    }
  }

  function draw(box) {
    const text = document.getElementById(`${box.id}-data`).textContent;
    try {
      if (box.id === "price") {
        const prices = new Prices(box, text);
        drawn.set(box.id, () => { prices.load(); prices.draw(); });
        prices.draw().then(() => prices.listen());
        follow(prices);
        return;
      }
      const render = () => { const figure = coloured(text); return Plotly.react(box, figure.data, figure.layout, config); };
      drawn.set(box.id, render);
      render();
    } catch (error) {
      box.textContent = `This chart could not be drawn: ${error}`;
      box.classList.add("failed");
    }
  }

  function follow(prices) {
    const list = document.getElementById("trade-list");
    list?.tBodies[0].addEventListener("click", event => {
      const row = event.target.closest("tr"), from = +row.dataset.from, to = +row.dataset.to;
      list.querySelector(".chosen")?.classList.remove("chosen");
      row.classList.add("chosen");
      const margin = Math.max(30, to - from);
      prices.show(from - margin, to + margin);
      prices.box.closest("section").scrollIntoView();
    });
  }

  function sortable(table) {
    const value = cell => {
      const text = cell.textContent, number = parseFloat(text.replace(/[^0-9.\u2212-]/g, "").replace("\u2212", "-"));
      return /^\d{4}-/.test(text) || Number.isNaN(number) ? text : number;
    };
    table.classList.add("sortable");
    table.tHead.addEventListener("click", event => {
      const head = event.target.closest("th"), body = table.tBodies[0];
      const down = head.ariaSort !== "descending", sign = down ? -1 : 1;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.ariaSort = down ? "descending" : "ascending";
      const rows = [...body.rows].map(row => [value(row.cells[head.cellIndex]), row]);
      rows.sort(([a], [b]) => sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b))));
      body.append(...rows.map(([, row]) => row));
    });
  }

  function choose(select) {
    select.addEventListener("change", () => {
      for (const option of select.options) document.getElementById(option.value).hidden = option.value !== select.value;
      dispatchEvent(new Event("resize"));
    });
  }

  function themed(name) {
    root.dataset.theme = name;
    for (const render of drawn.values()) render();
  }

  themed(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  document.getElementById("theme")?.addEventListener("click", () => themed(root.dataset.theme === "dark" ? "light" : "dark"));
  document.querySelectorAll("#trade-list, .points").forEach(sortable);
  document.querySelectorAll("select").forEach(choose);
  const waiting = [...document.querySelectorAll(".chart")];
  (function next() { // one at a time, so that the page answers meanwhile
    const box = waiting.shift();
    if (box) setTimeout(() => { draw(box); next(); });
  })();
})();
