// Maps of the features: an epoch slider, thumbnails of the hovered image; and the thumbnails of the worst predictions.
const SIDE = 96;

/** Show one of `count` thumbnails of a sheet, which has ceil(sqrt(count)) in a row. */
function showThumbnail(element, sheet, count, at) {
  if (!sheet) return;
  const columns = Math.ceil(Math.sqrt(count));
  element.style.backgroundImage = `url(${pictures[sheet]})`;
  element.style.backgroundSize = `${columns * SIDE}px auto`;
  element.style.backgroundPosition = `${-(at % columns) * SIDE}px ${-Math.floor(at / columns) * SIDE}px`;
}

function mapOf(chart) {
  const run = numbered(chart.dataset.run);
  return { run, map: run.maps[chart.dataset.map], panel: chart.closest(".map") };
}

DRAW.map = function drawMap(chart) {
  const { run, map, panel } = mapOf(chart);
  const stage = map.stages[panel.querySelector(".epoch").value];
  const onlyWrong = panel.querySelector(".wrong")?.checked;
  const names = (run.classes.names || []).map(String);
  const classes = [...new Set(map.classes)].sort((a, b) => names.indexOf(a) - names.indexOf(b));
  const traces = classes.map((name) => {
    const at = names.indexOf(name);
    const rgb = (run.classes.colors || [])[at];
    const members = map.classes.map((own, index) => index).filter((index) => map.classes[index] === name);
    const shown = members.filter((index) => !onlyWrong || stage.predicted[index] !== name);
    const wrong = shown.map((index) => stage.predicted[index] !== name);
    return {
      x: shown.map((index) => stage.x[index]), y: shown.map((index) => stage.y[index]), customdata: shown, name, mode: "markers", hoverinfo: "none",
      marker: {
        color: rgb ? `rgb(${rgb})` : color(at), symbol: shape(Math.max(at, 0)), size: wrong.map((is) => (is ? 11 : 7)), opacity: 0.9,
        line: { color: wrong.map((is) => themed(is ? "text" : "soft")), width: wrong.map((is) => (is ? 2 : 0.5)) },
      },
    };
  });
  // The same ranges at every epoch, so that moves are moves of the images.
  const range = (key) => {
    const all = map.stages.flatMap((each) => each[key]);
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const margin = 0.05 * (high - low || 1);
    return [low - margin, high + margin];
  };
  const named = panel.querySelector(".shown");  // one of several panels has neither slider nor legend
  if (named) named.textContent = `${stage.epoch}`;
  const numbers = Object.entries(stage.figures).filter(([key, value]) => key !== "epoch" && value !== null);
  panel.querySelector(".figures").textContent = numbers.map(([key, value]) => `${key.replaceAll("_", " ")} ${+value.toPrecision(3)}`).join(", ");
  const names_ = Boolean(named) && classes.length <= 20;
  return Plotly.react(chart, traces, layout({ hovermode: "closest", showlegend: names_, margin: { l: 10, r: 10, t: 10, b: 10 },
    xaxis: axis({ range: range("x"), showticklabels: false, zeroline: false }), yaxis: axis({ range: range("y"), showticklabels: false, zeroline: false }) }), CONFIG)
    .then(() => watch(chart));
};

/** The box with the hovered image, once for each chart. */
function watch(chart) {
  if (chart.dataset.watched) return;
  chart.dataset.watched = "true";
  const tip = document.getElementById("tip");
  chart.on("plotly_hover", ({ points: [point] }) => {
    const { map, panel } = mapOf(chart);
    const at = point.customdata;
    const stage = map.stages[panel.querySelector(".epoch").value];
    const verdict = stage.predicted[at] === map.classes[at] ? `${map.classes[at]}, predicted rightly` : `${map.classes[at]}, predicted as ${stage.predicted[at]}`;
    const text = `${map.images[at]}: ${verdict}`;
    const picture = document.createElement("span");
    picture.className = "thumbnail";
    showThumbnail(picture, map.sheet, map.images.length, at);
    tip.replaceChildren(...(map.sheet ? [picture] : []), text);
    tip.hidden = false;
    const box = chart.getBoundingClientRect();
    const [x, y] = [box.left + point.xaxis._offset + point.xaxis.c2p(point.x), box.top + point.yaxis._offset + point.yaxis.c2p(point.y)];
    tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - tip.offsetWidth - 4))}px`;
    tip.style.top = `${Math.max(4, Math.min(y + 14, innerHeight - tip.offsetHeight - 4))}px`;
    outputOf(chart).textContent = text;
  });
  const hide = () => { tip.hidden = true; };
  chart.on("plotly_unhover", hide);
  chart.addEventListener("blur", hide);
  addEventListener("scroll", hide, { passive: true });
}

const GLYPHS = "●■◆▲✕★⬟✚⬢▼";
document.querySelectorAll(".legend.marks").forEach((legend) => {
  const run = numbered(legend.dataset.run);
  const { classes } = run.maps[legend.dataset.map];
  const names = (run.classes.names || []).map(String);
  if (names.length > 20) return;
  names.forEach((name, at) => {
    if (!classes.includes(name)) return;
    const rgb = (run.classes.colors || [])[at];
    const mark = element("b", { textContent: GLYPHS[at % SYMBOLS.length] });
    mark.style.color = rgb ? `rgb(${rgb})` : color(at);
    legend.append(element("li", {}, mark, name));
  });
});
document.querySelectorAll(".map").forEach((panel) => {
  const chart = panel.querySelector(".chart");
  for (const control of panel.querySelectorAll(".epoch, .wrong")) control.addEventListener("input", () => draw(chart));
});
document.querySelectorAll(".worst").forEach((section) => {
  const found = numbered(section.dataset.run).worst;
  section.querySelectorAll(".thumbnail").forEach((one) => showThumbnail(one, found.sheet, found.rows.length, Number(one.dataset.at)));
});
