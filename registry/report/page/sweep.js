// A sweep: the course of its trials, slices through the searched values, their importance.
const STATES = { best: "star", done: "circle", pruned: "x-thin-open", running: "diamond-open" };
const stateOf = (trial) => (trial.number === sweep.best ? "best" : trial.state);
const digits = (value) => (typeof value === "number" ? `${+value.toPrecision(3)}` : `${value}`);
const valuesOf = (trial) => Object.entries(trial.values).map(([name, value]) => `${name} ${digits(value)}`).join(", ");

/** Points of trials, one trace a state. */
function trialTraces(trials, x) {
  return Object.entries(STATES).flatMap(([state, symbol], at) => {
    const own = trials.filter((trial) => stateOf(trial) === state && trial.score !== null);
    if (!own.length) return [];
    const points = own.map((trial) => [trial.number, `trial ${trial.number}, ${trial.state}: ${sweep.monitor} ${trial.score.toFixed(4)}; ${valuesOf(trial)}`]);
    return [{
      x: own.map(x), y: own.map((trial) => trial.score), customdata: points.map((point) => point[1]), name: state, mode: "markers",
      marker: { symbol, size: state === "best" ? 16 : 9, color: color([2, 0, 1, 3][at]), line: { width: 2, color: color([2, 0, 1, 3][at]) } },
      hovertemplate: "%{customdata}<extra></extra>",
    }];
  });
}

DRAW.history = function drawHistory(chart) {
  const better = sweep.higher_is_better ? Math.max : Math.min;
  const done = sweep.trials.filter((trial) => trial.state === "done");
  const best = done.map((_, at) => better(...done.slice(0, at + 1).map((trial) => trial.score)));
  const line = { x: done.map((trial) => trial.number), y: best, name: "best so far", mode: "lines", line: { shape: "hv", color: themed("soft"), dash: "dot" }, hoverinfo: "skip" };
  return Plotly.react(chart, [...trialTraces(sweep.trials, (trial) => trial.number), line], layout({
    hovermode: "closest", showlegend: true, xaxis: axis({ title: { text: "trial" }, tickformat: "d" }), yaxis: axis({ title: { text: sweep.monitor } }),
  }), CONFIG);
};

DRAW.slice = function drawSlice(chart) {
  const space = sweep.spaces[chart.dataset.space];
  const trials = sweep.trials.filter((trial) => space.name in trial.values);
  const kind = { log: { type: "log" }, choice: { type: "category", categoryarray: space.options, categoryorder: "array", range: [-0.5, space.options.length - 0.5] } }[space.search] || {};
  return Plotly.react(chart, trialTraces(trials, (trial) => trial.values[space.name]), layout({
    hovermode: "closest", showlegend: false, xaxis: axis({ ...kind, ...(space.search === "log" ? { dtick: space.high / space.low > 50 ? 1 : "D2", tickformat: "~g" } : {}) }), yaxis: axis({ title: { text: sweep.monitor } }),
  }), CONFIG);
};

DRAW.importance = function drawImportance(chart) {
  const entries = Object.entries(sweep.importance);
  return Plotly.react(chart, [{
    type: "bar", x: entries.map(([name]) => name), y: entries.map(([, share]) => share), marker: { color: color(0) }, hovertemplate: "%{x}: %{y:.1%}<extra></extra>",
  }], layout({ yaxis: axis({ tickformat: ".0%", rangemode: "tozero" }), xaxis: axis({ type: "category" }) }), CONFIG);
};
