// Draws the charts with uPlot. What there is to draw stands beside each in the page, as
// numbers and as a table; without this file the table remains.
"use strict";

(() => {
  const drawn = new WeakMap(); // element -> { plot, shape }

  // A colour of the stylesheet as a canvas takes it, in the theme that is on.
  const colour = (token) => {
    const probe = document.createElement("span");
    probe.style.color = `var(${token})`;
    document.body.append(probe);
    const out = getComputedStyle(probe).color;
    probe.remove();
    return out;
  };
  const faint = (c) => c.replace("rgb(", "rgba(").replace(")", ", .1)");

  const number = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 1 });
  const time = (options) => { const f = new Intl.DateTimeFormat("en-GB", options); return (s) => f.format(s * 1000); };
  const clock = time({ hour: "2-digit", minute: "2-digit" });
  const day = time({ day: "numeric", month: "short" });
  const moment = time({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  const label = (value, unit) => (value == null ? "–" : number.format(value) + (unit ? ` ${unit}` : ""));

  const points = (doc) => [Array.from(doc.series[0].values, (_, i) => doc.from + i * doc.step), ...doc.series.map((s) => s.values)];

  const options = (doc, box) => {
    const ink = colour("--ink-2"), line = colour("--line"), font = `12px ${getComputedStyle(box).fontFamily}`;
    const two = doc.series.length > 1;
    const axis = (scale, side, unit) => ({
      scale, side, stroke: ink, font, size: 56, gap: 6, ticks: { show: false }, show: side === 3 || box.clientWidth > 480,
      grid: { show: side === 3, stroke: line, width: 1 }, values: (_, splits) => splits.map((v) => label(v, unit)),
    });
    const fromZero = (_, __, max) => [0, Math.max(max || 0, 4) * 1.1];
    return {
      width: box.clientWidth, height: box.clientHeight, legend: { show: false }, padding: [8, two ? 0 : 8, 0, 0],
      cursor: { y: false, drag: { x: false, y: false } },
      scales: { x: { time: true }, y: { range: fromZero }, z: { range: fromZero } },
      axes: [
        { stroke: ink, font, size: 32, gap: 10, ticks: { show: false }, grid: { show: false }, values: (_, splits, __, ___, step) => splits.map(step < 86400 ? clock : day) },
        axis("y", 3, doc.series[0].unit), ...(two ? [axis("z", 1, doc.series[1].unit)] : []),
      ],
      series: [{}, ...doc.series.map((s, i) => {
        const stroke = colour(s.colour);
        return { scale: i ? "z" : "y", stroke, width: 1.5, fill: i ? undefined : faint(stroke), dash: i ? [4, 3] : undefined, points: { show: false }, spanGaps: false };
      })],
      hooks: { setCursor: [(u) => read(u, box)] },
    };
  };

  // What is under the pointer is said in the key, and otherwise the latest.
  const read = (u, box) => {
    const keys = document.querySelector(`[data-plot="${box.id}"]`);
    if (!keys) return;
    const at = u.cursor.idx, doc = JSON.parse(keys.dataset.series);
    keys.querySelectorAll("b").forEach((b, i) => { b.textContent = at == null ? doc.series[i].now : label(doc.series[i].values[at], doc.series[i].unit); });
    keys.querySelector("[data-when]").textContent = at == null ? "" : `at ${moment(u.data[0][at])}`;
  };

  const resized = new ResizeObserver((entries) => {
    for (const e of entries) {
      const is = drawn.get(e.target);
      if (is && e.target.clientWidth && e.target.clientWidth !== is.plot.width) draw(document.querySelector(`[data-plot="${e.target.id}"]`), true);
    }
  });

  const draw = (keys, anew) => {
    const box = keys && document.getElementById(keys.dataset.plot);
    if (!box || !box.clientWidth) return;
    box.setAttribute("aria-label", keys.dataset.says);
    const doc = JSON.parse(keys.dataset.series), is = drawn.get(box);
    if (is && !anew && is.step === doc.step && box.contains(is.plot.root)) {
      is.plot.setData(points(doc));
      return;
    }
    if (is) is.plot.destroy();
    box.replaceChildren();
    drawn.set(box, { plot: new uPlot(options(doc, box), points(doc), box), step: doc.step });
    resized.observe(box);
  };
  const drawAll = (anew) => document.querySelectorAll("[data-plot]").forEach((keys) => draw(keys, anew));

  drawAll();
  document.addEventListener("htmx:afterSettle", () => drawAll());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(true));
})();
