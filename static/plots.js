// Draws the curves of a page with uPlot over the server's SVG, and again in place when a refresh
// brings new figures. [data-curve] holds them as JSON; see templatetags/training_plots.py.
(() => {
  "use strict";
  const drawn = new Map();
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);

  // A token is a light-dark() pair; only a used property says which one holds.
  function colour(token) {
    probe.style.color = `var(${token})`;
    return getComputedStyle(probe).color;
  }

  const known = (value) => value !== null && value !== undefined;

  function inBox(u, paint) {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    paint(ctx, bbox, (value) => u.valToPos(value, "x", true), (value) => u.valToPos(value, "y", true));
    ctx.restore();
  }

  function paintBase(state, u) {
    const { base } = state.data;
    if (!base) return;
    inBox(u, (ctx, box, x, y) => {
      if (known(base.low) && known(base.high)) {
        ctx.fillStyle = colour("--ace-sunken");
        ctx.fillRect(box.left, y(base.high), box.width, y(base.low) - y(base.high));
      }
      const pixel = devicePixelRatio;
      ctx.strokeStyle = colour("--ace-ink-3");
      ctx.lineWidth = 1.25 * pixel;
      ctx.setLineDash([4 * pixel, 3 * pixel]);
      ctx.beginPath();
      ctx.moveTo(box.left, y(base.value));
      ctx.lineTo(box.left + box.width, y(base.value));
      ctx.stroke();
    });
  }

  // Last of all, and with an edge of its own ground: whiskers may stand where it is written.
  function nameBase(state, u) {
    const { base } = state.data;
    if (!base) return;
    inBox(u, (ctx, box, x, y) => {
      const pixel = devicePixelRatio;
      const words = [`${base.name}, ${told(state, base.value)}`, box.left + box.width - 2 * pixel, y(base.value) - 6 * pixel];
      ctx.font = `${11 * pixel}px ${getComputedStyle(document.body).fontFamily}`;
      ctx.textAlign = "right";
      ctx.lineJoin = "round";
      ctx.lineWidth = 4 * pixel;
      ctx.strokeStyle = colour(known(base.low) ? "--ace-sunken" : "--ace-surface");
      ctx.strokeText(...words);
      ctx.fillStyle = colour("--ace-ink-3");
      ctx.fillText(...words);
    });
  }

  function paintBand(state, u) {
    const { x: at, low, high, bars } = state.data;
    if (bars) return;
    const rows = at.map((_, n) => n).filter((n) => known(low[n]) && known(high[n]));
    if (rows.length < 2) return;
    inBox(u, (ctx, box, x, y) => {
      ctx.beginPath();
      for (const n of rows) ctx.lineTo(x(at[n]), y(high[n]));
      for (const n of rows.reverse()) ctx.lineTo(x(at[n]), y(low[n]));
      ctx.closePath();
      ctx.globalAlpha = 0.13;
      ctx.fillStyle = colour("--ace-plot");
      ctx.fill();
    });
  }

  function paintMarks(state, u) {
    const { x: at, y: values, low, high, bars } = state.data;
    const rows = at.map((_, n) => n).filter((n) => known(values[n]));
    const pixel = devicePixelRatio;
    const { ctx } = u;
    ctx.save();
    for (const n of bars ? rows : rows.slice(-1)) {
      const x = u.valToPos(at[n], "x", true);
      const y = (value) => u.valToPos(value, "y", true);
      ctx.strokeStyle = colour("--ace-plot");
      if (bars && known(low[n]) && known(high[n])) {
        ctx.globalAlpha = 0.55;
        ctx.lineWidth = 1.5 * pixel;
        ctx.beginPath();
        ctx.moveTo(x, y(low[n]));
        ctx.lineTo(x, y(high[n]));
        ctx.stroke();
      }
      ctx.globalAlpha = 1;
      ctx.beginPath();
      ctx.arc(x, y(values[n]), 4 * pixel, 0, 2 * Math.PI);
      ctx.fillStyle = colour("--ace-plot");
      ctx.fill();
      ctx.strokeStyle = colour("--ace-surface");
      ctx.lineWidth = 1.5 * pixel;
      ctx.stroke();
    }
    ctx.restore();
  }

  // ---- the tooltip ----
  function told(state, value) {
    return `${value.toFixed(state.data.digits).replace("-", "\u2212")}${state.data.unit}`;
  }

  function point(state, u) {
    const { x: at, y: values, low, high, bars } = state.data;
    const n = u.cursor.idx;
    const shown = known(n) && known(values[n]) && u.cursor.left >= 0;
    state.tip.hidden = !shown;
    if (!shown) return;
    const bounds = known(low[n]) && known(high[n]) ? `, ${told(state, low[n])} to ${told(state, high[n])}` : "";
    state.tip.textContent = `Iteration ${at[n].toLocaleString("en")}: ${told(state, values[n])}${bounds}${bars && bounds ? " (95\u202f%)" : ""}`;
    const left = u.valToPos(at[n], "x");
    const room = u.over.clientWidth - state.tip.offsetWidth;
    state.tip.style.left = `${Math.max(0, Math.min(room, left - state.tip.offsetWidth / 2))}px`;
    const top = u.valToPos(values[n], "y") - state.tip.offsetHeight - 10;
    state.tip.style.top = `${top < 0 ? u.valToPos(values[n], "y") + 12 : top}px`;
  }

  // ---- one plot ----
  const size = (holder) => ({ width: holder.clientWidth, height: Math.round(Math.min(240, Math.max(150, holder.clientWidth * 0.49))) });

  function axis(state, more) {
    const font = `11px ${getComputedStyle(document.body).fontFamily}`;
    return { font, stroke: () => colour("--ace-ink-3"), ticks: { show: false }, gap: 6, ...more };
  }

  function options(state, holder) {
    return {
      ...size(holder),
      padding: [8, 12, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { setScale: false, x: false, y: false }, points: { show: false } },
      scales: { x: { time: false, range: () => [0, state.data.end] }, y: { range: () => state.data.range } },
      axes: [
        axis(state, { size: 22, grid: { show: false }, splits: () => state.data.across, values: () => state.data.iterations }),
        axis(state, { size: 32, grid: { stroke: () => colour("--ace-line"), width: 1 }, splits: () => state.data.up, values: () => state.data.ticks }),
      ],
      series: [{}, { stroke: () => colour("--ace-plot"), width: 1.75, spanGaps: true, points: { show: false } }],
      hooks: {
        drawAxes: [(u) => { paintBase(state, u); paintBand(state, u); }],
        draw: [(u) => { paintMarks(state, u); nameBase(state, u); }],
        setCursor: [(u) => point(state, u)],
      },
    };
  }

  function make(canvas, data, text) {
    const state = { data, text, tip: document.createElement("div") };
    state.tip.className = "ace-tip";
    state.tip.hidden = true;
    state.plot = new uPlot(options(state, canvas), [data.x, data.y], canvas);
    state.plot.over.append(state.tip);
    state.watch = new ResizeObserver(() => state.plot.setSize(size(canvas)));
    state.watch.observe(canvas);
    canvas.setAttribute("role", "img");
    drawn.set(canvas, state);
  }

  function update(holder) {
    const canvas = holder.querySelector(".ace-curve-canvas");
    const text = holder.dataset.curve;
    const state = drawn.get(canvas);
    canvas.setAttribute("aria-label", holder.dataset.label);
    if (!state) return make(canvas, JSON.parse(text), text);
    if (state.text === text) return;
    state.text = text;
    state.data = JSON.parse(text);
    state.plot.setData([state.data.x, state.data.y]);
    point(state, state.plot);
  }

  function updateAll() {
    for (const holder of document.querySelectorAll("[data-curve]")) update(holder);
    for (const [canvas, state] of drawn) {
      if (canvas.isConnected) continue;
      state.watch.disconnect();
      state.plot.destroy();
      drawn.delete(canvas);
    }
  }

  function repaint() {
    for (const { plot } of drawn.values()) plot.redraw(false);
  }

  new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
  document.addEventListener("htmx:afterSettle", updateAll);
  updateAll();
})();
