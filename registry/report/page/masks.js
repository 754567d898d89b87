// Masks over their images: epoch and opacity by sliders, the class under the pointer in words.
const decoded = {};

/** The labels of an index PNG: {width, height, labels}. */
function labelsOf(key) {
  decoded[key] ||= new Promise((resolve) => {
    const image = new Image();
    image.onload = () => {
      const canvas = new OffscreenCanvas(image.width, image.height);
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(image, 0, 0);
      const pixels = context.getImageData(0, 0, image.width, image.height).data;
      resolve({ width: image.width, height: image.height, labels: Uint8Array.from({ length: pixels.length / 4 }, (_, at) => pixels[4 * at]) });
    };
    image.src = pictures[key];
  });
  return decoded[key];
}

/** One element with its properties and children. */
function element(kind, properties = {}, ...children) {
  const made = Object.assign(document.createElement(kind), properties);
  made.append(...children);
  return made;
}

document.querySelectorAll(".masks").forEach((section) => {
  const run = numbered(section.dataset.run);
  const { names, colors } = run.classes;
  const [epoch, opacity, layer] = ["epoch", "opacity", "layer"].map((name) => section.querySelector(`.${name}`));
  const nameOf = (label) => names?.[label] ?? "ignored";

  names?.forEach((name, at) => {
    const swatch = element("i");
    swatch.style.background = `rgb(${colors[at]})`;
    section.querySelector(".legend").append(element("li", {}, swatch, String(name)));
  });
  // Either the sliders' stage of each image, or the truth and every stage side by side.
  const each = (image) => [{ layer: "truth" }, ...image.stages.map((_, stage) => ({ stage, layer: "predicted" }))];
  const wanted = run.masks.flatMap((image) => ("each" in section.dataset ? each(image).map((fixed) => ({ image, ...fixed })) : [{ image }]));
  const cards = wanted.map(({ image, ...fixed }) => {
    const canvas = element("canvas");
    const caption = element("figcaption");
    const output = element("output");
    const picture = element("div", { className: "picture" }, element("img", { src: pictures[image.image], alt: `Image ${image.name} with its mask` }), canvas);
    section.querySelector(".cards").append(element("figure", {}, picture, caption, output));
    return { image, canvas, caption, output, ...fixed };
  });

  async function paint(card) {
    const stage = card.image.stages[Math.min(card.stage ?? epoch?.value ?? 0, card.image.stages.length - 1)];
    const shown = card.layer ?? layer.value;
    if (epoch) section.querySelector(".shown").textContent = `${stage.epoch}`;
    card.caption.textContent = card.layer === "truth" ? `${card.image.name}, truth` : `${card.image.name}, epoch ${stage.epoch}${stage.iou === null ? "" : `: IoU ${stage.iou.toFixed(2)}`}`;
    const predicted = await labelsOf(stage.mask);
    const truth = card.image.truth ? await labelsOf(card.image.truth) : null;
    const labels = shown === "predicted" || !truth ? predicted : truth;
    Object.assign(card.canvas, { width: predicted.width, height: predicted.height });
    card.canvas.style.opacity = opacity.value / 100;
    const context = card.canvas.getContext("2d", { willReadFrequently: true });
    const pixels = context.createImageData(predicted.width, predicted.height);
    labels.labels.forEach((label, at) => {
      const known = colors?.[label];
      const wrong = truth && predicted.labels[at] !== label;
      if (shown === "errors") pixels.data.set(wrong && known ? [255, 0, 90, 255] : [0, 0, 0, 0], 4 * at);
      else pixels.data.set(known ? [...known, 255] : [0, 0, 0, 0], 4 * at);
    });
    context.putImageData(pixels, 0, 0);
    card.canvas.onpointermove = (event) => {
      const x = Math.floor((event.offsetX / card.canvas.clientWidth) * predicted.width);
      const y = Math.floor((event.offsetY / card.canvas.clientHeight) * predicted.height);
      const at = Math.max(0, Math.min(y * predicted.width + x, predicted.labels.length - 1));
      card.output.textContent = `predicted ${nameOf(predicted.labels[at])}${truth ? `, truth ${nameOf(truth.labels[at])}` : ""}`;
    };
  }
  const paintAll = () => Promise.all(cards.map(paint)).then(() => { section.dataset.painted = `${epoch?.value}-${opacity.value}-${layer?.value}`; });
  for (const control of [epoch, opacity, layer].filter(Boolean)) control.addEventListener("input", paintAll);
  // Not before it is seen: a study may hold hundreds of masks.
  if (printing) return void paintAll();
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    paintAll();
  }, { rootMargin: "300px" }).observe(section);
});
