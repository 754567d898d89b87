// Charts: drawn when they come near the window, in the theme's colours; arrow keys move the hovered point.
"use strict";
const { runs, pictures, sweep } = JSON.parse(document.getElementById("data").textContent);
const COLORS = {
  light: ["#0b63b0", "#c2410c", "#15803d", "#8b2fc9", "#a16207", "#0e7490", "#be185d", "#4b5563"],
  dark: ["#6db3f2", "#fb9a5a", "#6fd08f", "#c99bf5", "#e3c14f", "#5fd0e0", "#f58ac0", "#b8c0cc"],
};
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "x", "star", "pentagon", "cross", "hexagon", "triangle-down"];
/** `report --pdf` prints the page with all of it opened and drawn. */
const printing = location.hash === "#print";
document.documentElement.classList.toggle("printing", printing);
if (printing) document.documentElement.dataset.theme = "light";
const CONFIG = { displayModeBar: false, responsive: true };
const numbered = (number) => runs.find((run) => run.number === Number(number));

/** What a variable of the style sheet is in the current theme. */
function themed(name) {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = `var(--${name})`;
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}
function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}
const color = (at) => COLORS[isDark() ? "dark" : "light"][at % 8];
const shape = (at) => SYMBOLS[at % SYMBOLS.length];
const axis = (more = {}) => ({ gridcolor: themed("line"), zerolinecolor: themed("line"), linecolor: themed("line"), automargin: true, ...more });

function layout(more = {}) {
  const card = themed("page");
  return {
    paper_bgcolor: card, plot_bgcolor: card, font: { color: themed("text"), family: "system-ui, sans-serif", size: 13 },
    margin: { l: 45, r: 10, t: 10, b: 40 }, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
    hoverlabel: { bgcolor: themed("card"), bordercolor: themed("line"), font: { color: themed("text") } },
    xaxis: axis(), yaxis: axis(), ...more,
  };
}

// --- curves ---
const kindOf = (column) => column.replace(/^(train|val)_/, "");
const runsOf = (chart) => chart.dataset.runs.split(" ").map(numbered);
function kindsOfCurves(shown) {
  const all = [...new Set(shown.flatMap((run) => Object.keys(run.columns)))].map(kindOf);
  return [...new Set(all)];
}
function drawCurves(chart) {
  const kind = chart.dataset.shown;
  const traces = [];
  const shown = runsOf(chart);
  shown.forEach((run, at) => {
    for (const [column, values] of Object.entries(run.columns)) {
      if (kindOf(column) !== kind || values.every((value) => value === null)) continue;
      const training = column.startsWith("train_");
      const name = shown.length > 1 ? `${run.name}${training ? ", training" : ""}` : training ? "training" : "evaluation";
      const alone = !(column.replace("train_", "val_") in run.columns || kind in run.columns);
      const tint = color(shown.length > 1 ? at : training ? 1 : 0);
      const stars = run.epochs.map((epoch) => (!training && epoch === run.best_epoch ? "star" : shape(shown.length > 1 ? at : 0)));
      traces.push({
        x: run.epochs, y: values, name: ["lr", "images_per_second", "seconds"].includes(kind) ? run.name : name, connectgaps: true,
        mode: "lines+markers", line: { color: tint, dash: training ? "dash" : "solid", width: training ? 1.5 : 2.5 },
        legendgroup: run.name, showlegend: shown.length === 1 || !training || alone,
        marker: { opacity: 1, symbol: stars, size: run.epochs.map((epoch) => (!training && epoch === run.best_epoch ? 13 : run.epochs.length > 40 ? 0.1 : 7)) },
        hovertemplate: `%{y:.4g}<extra>%{fullData.name}, epoch %{x}</extra>`,
      });
    }
  });
  const epochs = Math.max(...shown.flatMap((run) => run.epochs), 1);
  // One loss of 60 at the beginning would hide all others.
  const values = traces.flatMap((trace) => trace.y).filter((value) => value !== null).sort((a, b) => a - b);
  const steep = kind.endsWith("loss") && values[0] > 0 && values.at(-1) > 20 * values[Math.floor(values.length / 2)];
  const y = { title: { text: kind }, ...(steep ? { type: "log", tickformat: "~g" } : {}) };
  const x = { title: { text: "epoch" }, range: [0.5, epochs + 0.5], ...(epochs < 12 ? { dtick: 1 } : { tickformat: "d" }) };
  const named = traces.filter((trace) => trace.showlegend).length;
  const room = !printing && chart.clientWidth < 500 && named > 4 ? { height: 320 + 20 * named } : {};
  return Plotly.react(chart, traces, layout({ ...room, hovermode: "closest", showlegend: true, xaxis: axis(x), yaxis: axis(y) }), CONFIG);
}

// --- a run's own ---
function drawConfusion(chart) {
  const { names, counts, unit } = numbered(chart.dataset.run).confusion;
  const sums = counts.map((row) => row.reduce((a, b) => a + b, 0));
  const shares = counts.map((row, at) => row.map((count) => (sums[at] ? count / sums[at] : null)));
  const text = names.length <= 12 ? shares.map((row, i) => row.map((share, j) => (share === null ? "" : unit === "pixel" ? `${Math.round(100 * share)}` : `${counts[i][j]}`))) : undefined;
  const tick = { type: "category", tickfont: { size: names.length > 30 ? 9 : 12 }, ...(names.length <= 64 ? { dtick: 1 } : {}), showgrid: false };
  return Plotly.react(chart, [{
    type: "heatmap", x: names.map(String), y: names.map(String), z: shares, customdata: counts, zmin: 0, zmax: 1, text, texttemplate: text && "%{text}", xgap: 1, ygap: 1,
    colorscale: isDark() ? [[0, "#1d2229"], [1, "#6db3f2"]] : [[0, "#f2f5f8"], [1, "#0b4f94"]], colorbar: { tickformat: ".0%", thickness: 10, outlinewidth: 0 },
    hovertemplate: `truth %{y}, predicted %{x}: %{customdata:,} ${unit}s (%{z:.1%})<extra></extra>`,
  }], layout({ xaxis: axis({ ...tick, title: { text: "prediction" } }), yaxis: axis({ ...tick, title: { text: "truth", standoff: 14 }, autorange: "reversed" }) }), CONFIG);
}
function drawCalibration(chart) {
  const { bins } = numbered(chart.dataset.run).calibration;
  const most = Math.max(...bins.map((bin) => bin.images));
  return Plotly.react(chart, [
    { x: [0, 1], y: [0, 1], mode: "lines", name: "perfectly calibrated", line: { color: themed("soft"), dash: "dot" }, hoverinfo: "skip" },
    {
      x: bins.map((bin) => bin.confidence), y: bins.map((bin) => bin.accuracy), customdata: bins.map((bin) => bin.images), name: "a bin of this run; larger: more images",
      mode: "markers", marker: { color: color(0), size: bins.map((bin) => 8 + 22 * Math.sqrt(bin.images / most)), opacity: 0.75 },
      hovertemplate: "probability %{x:.2f}, right %{y:.2f}: %{customdata} images<extra></extra>",
    },
  ], layout({
    hovermode: "closest", xaxis: axis({ title: { text: "mean probability of the prediction" }, range: [-0.03, 1.06] }),
    yaxis: axis({ title: { text: "share that is right" }, range: [-0.03, 1.09] }),
  }), CONFIG);
}
function drawCost(chart) {
  const [unit, seconds] = Math.max(...runs.map((run) => run.seconds)) < 300 ? ["seconds", 1] : ["minutes", 60];
  const { monitor } = runs[0];  // an axis holds one score
  const traces = runs.filter((run) => run.score !== null && run.monitor === monitor).map((run) => ({
    x: [run.seconds / seconds], y: [run.score], name: run.name, mode: "markers", marker: { size: 13, color: color(runs.indexOf(run)), symbol: shape(runs.indexOf(run)) },
    hovertemplate: `%{fullData.name}: ${run.monitor} %{y:.4f} in %{x:.1f} ${unit}<extra></extra>`,
  }));
  return Plotly.react(chart, traces, layout({ hovermode: "closest", showlegend: true, xaxis: axis({ title: { text: `${unit} in all` }, rangemode: "tozero" }), yaxis: axis({ title: { text: monitor } }) }), CONFIG);
}

const DRAW = { curves: drawCurves, confusion: drawConfusion, calibration: drawCalibration, cost: drawCost };

// --- when and how ---
function textOf(point) {
  const template = point.data.hovertemplate || "";
  const values = { x: point.x, y: point.y, z: point.z, customdata: point.customdata, "fullData.name": point.fullData.name };
  return template.replace("<extra>", " ").replace("</extra>", "").replace(/%\{([\w.]+)(?::([^}]*))?\}/g, (_, key, format) => {
    const value = values[key];
    if (typeof value !== "number") return value;
    if (format?.endsWith("%")) return `${(100 * value).toFixed(1)} %`;
    return format?.match(/\.\d[fg]/) ? `${+value.toPrecision(4)}` : value.toLocaleString("en");
  });
}
function outputOf(chart) {
  return chart.nextElementSibling;
}
async function draw(chart) {
  await DRAW[chart.dataset.chart](chart);
  if (chart.dataset.drawn) return;
  chart.dataset.drawn = "true";
  chart.on("plotly_hover", (event) => {
    if (chart.dataset.chart !== "map") outputOf(chart).textContent = textOf(event.points[0]);
  });
  chart.addEventListener("keydown", (event) => move(chart, event));
}
/** Arrow keys: along a line or a row, and from one line or row to the next. */
function move(chart, event) {
  const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
  if (!step) return;
  event.preventDefault();
  const traces = chart.data.map((trace, index) => ({ trace, index })).filter(({ trace }) => trace.hoverinfo !== "skip" && trace.visible !== false);
  if (!traces.length) return;
  const matrix = traces[0].trace.type === "heatmap";
  const at = (chart.at = chart.at || [0, -1]);
  const rows = matrix ? traces[0].trace.z.length : traces.length;
  at[0] = (at[0] + step[0] + rows) % rows;
  const row = matrix ? traces[0].trace.z[0] : traces[at[0]].trace.x;
  at[1] += step[1];
  if (!matrix && (at[1] < 0 || at[1] >= row.length)) {
    at[0] = (at[0] + Math.sign(at[1]) + rows) % rows;
    at[1] = at[1] < 0 ? traces[at[0]].trace.x.length - 1 : 0;
  }
  at[1] = Math.min((at[1] + row.length) % row.length, (matrix ? row.length : traces[at[0]].trace.x.length) - 1);
  const { trace, index } = matrix ? traces[0] : traces[at[0]];
  Plotly.Fx.hover(chart, [{ curveNumber: index, pointNumber: matrix ? [...at] : at[1] }]);
  // The library shows the label and, without a mouse, sends no event.
  const pick = (values) => (matrix ? values?.[at[0]][at[1]] : values?.[at[1]]);
  const { xaxis, yaxis } = chart._fullLayout;
  const place = matrix ? { x: trace.x[at[1]], y: trace.y[at[0]], z: pick(trace.z) } : { x: pick(trace.x), y: pick(trace.y) };
  chart.emit("plotly_hover", { points: [{ data: trace, fullData: trace, xaxis, yaxis, ...place, customdata: pick(trace.customdata) }] });
}
const charts = [...document.querySelectorAll(".chart")];
document.querySelectorAll(".curve-choice").forEach((choice) => {
  const chart = choice.closest("div").querySelector(".chart");
  const kinds = kindsOfCurves(runsOf(chart));
  const preferred = choice.dataset.kind === "loss" ? "loss" : kindOf(runsOf(chart)[0].monitor);
  const chosen = choice.dataset.kind === "score" && preferred === "loss" ? kinds.find((kind) => kind !== "loss") || "loss" : preferred;
  for (const kind of kinds) choice.add(new Option(kind, kind, false, kind === chosen));
  chart.dataset.shown = choice.value;
  choice.addEventListener("change", () => {
    chart.dataset.shown = choice.value;
    chart.at = undefined;
    draw(chart);
  });
});
function redraw() {
  charts.filter((chart) => chart.dataset.drawn).forEach(draw);
}
document.getElementById("theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  redraw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
/** The library is compiled after the text has been painted: it takes longer than everything else. */
function begin() {
  if (printing) document.querySelectorAll("details").forEach((each) => { each.open = true; });
  const script = document.createElement("script");
  script.textContent = document.getElementById("plotly").textContent;
  document.head.append(script);
  if (printing) return void Promise.all(charts.filter((chart) => chart.offsetParent).map(draw));
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      observer.unobserve(target);
      draw(target);
    }
  }, { rootMargin: "300px" });
  charts.forEach((chart) => observer.observe(chart));
}
addEventListener("load", () => requestAnimationFrame(() => setTimeout(begin)));
