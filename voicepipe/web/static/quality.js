// The pictures of quality, drawn from the tables that stand beside them.
"use strict";

(() => {
  const voicepipe = window.voicepipe;
  const percent = new Intl.NumberFormat(document.documentElement.lang, { style: "percent" });
  const count = new Intl.NumberFormat(document.documentElement.lang);
  const day = new Intl.DateTimeFormat(window.voicepipe.locale, { day: "numeric", month: "short", timeZone: "UTC" });
  const probe = document.createElement("span");
  probe.className = "away";
  document.body.append(probe);
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const numbers = (list) => list.map((text) => (text === "" || text === undefined ? null : Number(text)));

  const charts = [];
  const chart = (holder, { labels, top, format, paint }) => {
    let plot = null;
    let colours = {};
    const draw = () => {
      colours = Object.fromEntries(["ink", "soft", "rule", "rule-strong", "accent", "calm", "high"].map((name) => [name, colour(name)]));
      const font = `12px ${getComputedStyle(document.body).fontFamily}`;
      plot?.destroy();
      plot = new uPlot({
        width: Math.max(240, holder.clientWidth),
        height: holder.clientHeight,
        padding: [28, 16, 0, 0],
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: false, range: [-0.6, labels.length - 0.4] }, y: { range: [0, top] } },
        axes: [
          { stroke: colours.soft, font, size: 26, gap: 4, grid: { show: false }, ticks: { show: false }, splits: () => labels.map((_, i) => i), values: (_, splits) => splits.map((i) => (i % Math.ceil(labels.length / (holder.clientWidth / 64)) === 0 ? labels[i] : "")) },
          { stroke: colours.soft, font, grid: { stroke: colours.rule, width: 1 }, ticks: { show: false }, size: 56, values: (_, splits) => splits.map((value) => (Number.isInteger(value) || format === percent ? format.format(value) : "")) },
        ],
        series: [{}, { paths: () => null, points: { show: false } }],
        hooks: { draw: [(drawn) => paint(drawn, colours)] },
      }, [labels.map((_, i) => i), labels.map(() => 0)], holder);
      holder.dataset.drawn = String(labels.length);
    };
    charts.push(draw);
    let width = holder.clientWidth;
    new ResizeObserver(() => { if (holder.clientWidth !== width) { width = holder.clientWidth; draw(); } }).observe(holder);
    draw();
  };

  // Told apart by their filling as well as by colour: full, hatched, empty.
  const fillings = {
    full: (context, colours, ...box) => { context.fillStyle = colours.accent; context.fillRect(...box); },
    hatched: (context, colours, x, y, width, height) => {
      context.save();
      context.beginPath();
      context.rect(x, y, width, height);
      context.clip();
      context.strokeStyle = colours.high;
      context.lineWidth = 2 * devicePixelRatio;
      context.beginPath();
      for (let at = x - height; at < x + width; at += 6 * devicePixelRatio) { context.moveTo(at, y + height); context.lineTo(at + height, y); }
      context.stroke();
      context.restore();
      context.strokeStyle = colours.high;
      context.lineWidth = devicePixelRatio;
      context.strokeRect(x, y, width, height);
    },
    empty: (context, colours, ...box) => { context.strokeStyle = colours.soft; context.lineWidth = devicePixelRatio; context.strokeRect(...box); },
  };
  const legend = (plot, colours, entries) => {
    const { ctx: context, bbox } = plot;
    const ratio = devicePixelRatio;
    let left = bbox.left + 8 * ratio;
    const y = bbox.top - 12 * ratio;
    context.font = `${12 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
    context.textBaseline = "middle";
    context.textAlign = "left";
    for (const [name, sign] of entries) {
      sign(context, colours, left, y - 5 * ratio, 14 * ratio, 10 * ratio);
      const text = voicepipe.t(name);
      context.fillStyle = colours.ink;
      context.fillText(text, left + 20 * ratio, y);
      left += 36 * ratio + context.measureText(text).width;
    }
  };
  const mark = (context, colours, x, y, width, height) => {
    context.strokeStyle = colours.ink;
    context.lineWidth = 2 * devicePixelRatio;
    context.beginPath();
    context.moveTo(x, y + height / 2);
    context.lineTo(x + width, y + height / 2);
    context.stroke();
  };

  const weeks = document.getElementById("weeks");
  if (weeks) {
    const rows = [...weeks.querySelectorAll("data")].map((row) => row.dataset);
    const parts = [["justified", "full"], ["falseAlarms", "hatched"], ["open", "empty"]].map(([name, filling]) => [numbers(rows.map((row) => row[name])), fillings[filling]]);
    chart(weeks, {
      labels: rows.map((row) => day.format(new Date(`${row.week}T00:00:00Z`))),
      top: Math.max(4, ...rows.map((_, i) => parts.reduce((sum, [counts]) => sum + counts[i], 0))) * 1.1,
      format: count,
      paint: (plot, colours) => {
        const { ctx: context } = plot;
        const half = 0.3 * Math.min(plot.valToPos(1, "x", true) - plot.valToPos(0, "x", true), 120 * devicePixelRatio);
        context.save();
        rows.forEach((_, i) => {
          let below = 0;
          for (const [counts, fill] of parts) {
            if (!counts[i]) continue;
            const [floor, top] = [below, below + counts[i]].map((value) => plot.valToPos(value, "y", true));
            fill(context, colours, plot.valToPos(i, "x", true) - half, top, 2 * half, floor - top);
            below += counts[i];
          }
        });
        legend(plot, colours, [["quality-justified", fillings.full], ["quality-false-alarms", fillings.hatched], ["quality-undecided", fillings.empty]]);
        context.restore();
      },
    });
  }

  const drift = document.getElementById("drift");
  if (drift) {
    const [expected, observed] = ["expected", "observed"].map((name) => numbers([...document.querySelectorAll(`#table-drift [data-${name}]`)].map((cell) => cell.dataset[name])));
    chart(drift, {
      labels: observed.map((_, i) => String(i + 1)),
      top: Math.max(0.2, ...observed, ...expected) * 1.1,
      format: percent,
      paint: (plot, colours) => {
        const { ctx: context } = plot;
        const half = 0.3 * (plot.valToPos(1, "x", true) - plot.valToPos(0, "x", true));
        const floor = plot.valToPos(0, "y", true);
        context.save();
        observed.forEach((share, i) => {
          const x = plot.valToPos(i, "x", true);
          const y = plot.valToPos(share, "y", true);
          context.fillStyle = colours.calm;
          context.fillRect(x - half, y, 2 * half, floor - y);
          mark(context, colours, x - 1.3 * half, plot.valToPos(expected[i], "y", true), 2.6 * half, 0);
        });
        legend(plot, colours, [["quality-drift-observed", (...drawn) => { context.fillStyle = colours.calm; context.fillRect(...drawn.slice(2)); }], ["quality-drift-expected", mark]]);
        context.restore();
      },
    });
  }

  const redraw = () => charts.forEach((draw) => draw());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
})();
