// Charts in inline SVG, drawn at the width that they have.

/** A figure that draws itself again when its width changes. */
function chart(label, draw, options = {}) {
  const figure = el("figure", { class: "chart" });
  let width = 0;
  const redraw = () => {
    const now = Math.round(figure.clientWidth);
    if (!now || now === width) return;
    width = now;
    const height = options.height || 160;
    const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
    draw(root, width, height);
    figure.replaceChildren(root);
  };
  new ResizeObserver(redraw).observe(figure);
  return figure;
}

const scale = (from, to, a, b) => (x) => a + ((x - from) / (to - from || 1)) * (b - a);
const text = (x, y, words, attributes = {}) => svg("text", { x, y, ...attributes }, words);

/** Round numbers that divide 0..top in about `n` steps. */
function ticks(top, n = 3) {
  if (!(top > 0)) return [0];
  const raw = top / n;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const list = [];
  for (let x = 0; x <= top + step * 1e-6; x += step) list.push(x);
  return list;
}

/** Columns with the share of calls with an alert at the bottom of each. */
function columns(label, bins, { height = 132, title, tickEvery = 1 } = {}) {
  return chart(
    label,
    (root, width, all) => {
      const top = Math.max(1, ...bins.map((bin) => bin.n));
      const [left, bottom] = [4, all - 18];
      const y = scale(0, top, bottom, 14);
      const step = (width - left * 2) / bins.length;
      const bar = Math.max(1, step - Math.min(3, step * 0.2));
      root.append(text(width - 2, 10, count(top), { "text-anchor": "end" }));
      root.append(svg("line", { x1: 0, x2: width, y1: 14, y2: 14, class: "axis" }), svg("line", { x1: 0, x2: width, y1: bottom, y2: bottom, class: "axis base" }));
      bins.forEach((bin, i) => {
        const x = left + i * step;
        const group = svg("g", {}, svg("title", {}, title(bin)));
        group.append(svg("rect", { x, y: 14, width: step, height: bottom - 14, fill: "transparent" }));
        if (bin.n) group.append(svg("rect", { x, width: bar, y: y(bin.n), height: bottom - y(bin.n), rx: 1.5, class: "bar" }));
        if (bin.k) group.append(svg("rect", { x, width: bar, y: y(bin.k), height: bottom - y(bin.k), rx: 1.5, class: "bar alert" }));
        root.append(group);
        if (i % tickEvery === 0) root.append(text(bin.edge ? x : x + bar / 2, all - 4, bin.label, { "text-anchor": bin.edge ? (i ? "middle" : "start") : "middle" }));
      });
      if (bins.last) root.append(text(width - left, all - 4, bins.last, { "text-anchor": "end" }));
    },
    { height },
  );
}

/** Counts of values in equal bins; what lies outside goes into the first or last. */
function binned(list, value, from, to, n, show) {
  const bins = Array.from({ length: n }, (_, i) => ({ n: 0, k: 0, edge: true, label: show(from + ((to - from) * i) / n), from: from + ((to - from) * i) / n, to: from + ((to - from) * (i + 1)) / n }));
  for (const i of list) {
    const x = value[i];
    if (!known(x)) continue;
    const bin = bins[Math.min(n - 1, Math.max(0, Math.floor(((x - from) / (to - from)) * n)))];
    bin.n += 1;
    if (REPORT.calls.alert[i]) bin.k += 1;
  }
  bins.last = show(to);
  return bins;
}

/** Day by day: the share of calls with an alert over its interval, and the number of calls below. */
function trend(days) {
  return chart(
    WORDS.trend.label(days.length),
    (root, width, height) => {
      const [left, right, upper, lower] = [38, width - 8, height - 70, height - 18];
      const bar = Math.max(1, Math.min(26, ((right - left) / days.length) * 0.7));
      const x = scale(0, days.length - 1, left + bar / 2 + 2, right - bar / 2 - 2);
      const highs = days.filter((day) => day.n).map((day) => Math.max(day.k / day.n, Math.min(day.high, (2.5 * day.k) / day.n + 0.02)));
      const rates = ticks(Math.min(1, Math.max(0.02, ...highs)), 3);
      const y = scale(0, Math.max(rates[rates.length - 1], ...highs), upper, 10);
      for (const rate of rates) {
        root.append(svg("line", { x1: left, x2: right, y1: y(rate), y2: y(rate), class: rate ? "axis" : "axis base" }), text(left - 6, y(rate) + 4, percent(rate), { "text-anchor": "end" }));
      }
      const clipped = (rate) => Math.max(4, y(rate));
      const band = [...days.map((day, i) => [x(i), clipped(day.high)]), ...days.map((day, i) => [x(i), clipped(day.low)]).reverse()];
      root.append(svg("polygon", { points: band.map((point) => point.join(",")).join(" "), class: "band" }));
      root.append(svg("polyline", { points: days.map((day, i) => `${x(i)},${y(day.k / day.n)}`).join(" "), class: "line" }));
      const top = Math.max(1, ...days.map((day) => day.n));
      const tall = scale(0, top, lower, upper + 20);
      const every = Math.max(1, Math.ceil(days.length / Math.max(2, Math.floor((right - left) / 64))));
      root.append(svg("line", { x1: left, x2: right, y1: lower, y2: lower, class: "axis base" }), text(left - 6, tall(top) + 6, count(top), { "text-anchor": "end" }));
      days.forEach((day, i) => {
        root.append(
          svg(
            "g",
            {},
            svg("title", {}, WORDS.trend.day(day.day, day.k, day.n, day.low, day.high)),
            svg("rect", { x: x(i) - (right - left) / days.length / 2, y: 4, width: (right - left) / days.length, height: lower - 4, fill: "transparent" }),
            svg("rect", { x: x(i) - bar / 2, y: tall(day.n), width: bar, height: lower - tall(day.n), rx: 1.5, class: "bar plain" }),
            days.length <= 62 ? svg("circle", { cx: x(i), cy: y(day.k / day.n), r: 2.8, class: "dot" }) : null,
          ),
        );
        if (i % every === 0) root.append(text(x(i), height - 4, shortDay(day.day), { "text-anchor": i === 0 && days.length > 3 ? "start" : "middle" }));
      });
    },
    { height: 230 },
  );
}

/** A dot on its interval, with the mark of all calls. */
function whisker(value, low, high, { from, to, all }) {
  const [w, h] = [120, 18];
  const x = scale(from, to, 4, w - 4);
  const inside = (v) => Math.min(w - 2, Math.max(2, x(v)));
  return svg(
    "svg",
    { viewBox: `0 0 ${w} ${h}`, width: w, height: h, "aria-hidden": "true" },
    svg("line", { x1: 2, x2: w - 2, y1: h / 2, y2: h / 2, class: "axis" }),
    known(all) ? svg("line", { x1: inside(all), x2: inside(all), y1: 1, y2: h - 1, class: "overall" }) : null,
    svg("line", { x1: inside(low), x2: inside(high), y1: h / 2, y2: h / 2, class: "whisker" }),
    svg("circle", { cx: inside(value), cy: h / 2, r: 4, class: "dot" }),
  );
}

/** The course of the caller's stress as a row of small bars; the call's digits are tenths of its highest stress. */
function spark(digits) {
  const root = svg("svg", { viewBox: "0 0 84 20", class: "spark", role: "img", "aria-label": WORDS.calls.course });
  const step = 84 / Math.max(1, digits.length);
  [...digits].forEach((digit, i) => {
    if (digit === "-") return root.append(svg("rect", { x: i * step, y: 18.5, width: Math.max(1, step - 1), height: 0.8, class: "u-none" }));
    const stress = (Number(digit) + 0.5) / 10;
    const height = Math.max(1.5, stress * 19);
    return root.append(svg("rect", { x: i * step, y: 20 - height, width: Math.max(1, step - 1), height, rx: 0.8, class: `u-${level(stress)}` }));
  });
  return root;
}

/** An estimate on 0..100 with its interval. */
function gauge(value, low, high, label) {
  return chart(
    label,
    (root, width) => {
      const x = scale(0, 100, 6, width - 6);
      root.append(svg("line", { x1: 6, x2: width - 6, y1: 10, y2: 10, class: "axis base" }));
      for (const tick of [0, 50, 100]) root.append(svg("line", { x1: x(tick), x2: x(tick), y1: 6, y2: 14, class: "axis base" }));
      if (known(low)) root.append(svg("rect", { x: x(low), y: 6, width: Math.max(2, x(high) - x(low)), height: 8, rx: 4, class: "band" }));
      root.append(svg("circle", { cx: x(value), cy: 10, r: 5, class: "dot" }));
    },
    { height: 20 },
  );
}

/** Dots of pairs on one scale, with the diagonal on which both are equal. */
function scatter(label, dots, { from, to, xLabel, yLabel, show }) {
  return chart(
    label,
    (root, width, height) => {
      const side = Math.min(width - 50, height - 44);
      const [left, bottom] = [42, height - 34];
      const x = scale(from, to, left, left + side);
      const y = scale(from, to, bottom, bottom - side);
      for (const part of [0, 0.25, 0.5, 0.75, 1]) {
        const value = from + (to - from) * part;
        root.append(svg("line", { x1: left, x2: left + side, y1: y(value), y2: y(value), class: part ? "axis" : "axis base" }));
        root.append(text(left - 6, y(value) + 4, show(value), { "text-anchor": "end" }), text(x(value), bottom + 14, show(value), { "text-anchor": "middle" }));
      }
      root.append(svg("line", { x1: x(from), y1: y(from), x2: x(to), y2: y(to), class: "overall" }));
      root.append(text(left + side / 2, height - 4, xLabel, { "text-anchor": "middle", class: "strong" }));
      root.append(svg("text", { x: 10, y: bottom - side / 2, transform: `rotate(-90 10 ${bottom - side / 2})`, "text-anchor": "middle", class: "strong" }, yLabel));
      for (const dot of dots) {
        root.append(svg("circle", { cx: x(dot.x), cy: y(dot.y), r: dot.strong ? 4 : 2.5, class: dot.strong ? "bar alert" : "dot hollow" }, svg("title", {}, dot.title)));
      }
    },
    { height: 320 },
  );
}
