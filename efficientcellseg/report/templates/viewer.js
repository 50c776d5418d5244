"use strict";
// Draws a slice: an image, over it the cells of the result, in colors of their own or by what became
// of them, and the outlines of the reference. Pictures of labels hold numbers: red + 256 * green.
(function () {
  const COLORS = {1: "#009e73", 2: "#d55e00", 3: "#cc79a7", 4: "#e69f00", 5: "#56b4e9", 6: "#999999"};
  const NAMES = {1: "hit", 2: "miss", 3: "merge", 4: "split", 5: "false", 6: "unjudged"};
  const KEPT = 24;

  function ownColor(label) {
    const hue = (label * 0.61803398875 % 1) * 360, light = [62, 50, 74][label % 3];
    return `hsl(${hue.toFixed(1)} 75% ${light}%)`;
  }

  function loadImage(source) {
    const image = new Image();
    image.src = source;
    return image.decode().then(() => image);
  }

  async function loadLabels(source) {
    const image = await loadImage(source), canvas = document.createElement("canvas");
    canvas.width = image.width;
    canvas.height = image.height;
    const context = canvas.getContext("2d", {willReadFrequently: true, colorSpace: "srgb"});
    context.drawImage(image, 0, 0);
    const bytes = context.getImageData(0, 0, image.width, image.height).data;
    const labels = new Uint16Array(image.width * image.height);
    for (let i = 0; i < labels.length; i++) labels[i] = bytes[4 * i] + 256 * bytes[4 * i + 1];
    return {labels, width: image.width, height: image.height};
  }

  // Outlines through the middles between pixels of different labels, as paths by color.
  function edges({labels, width, height}, colorOf) {
    const paths = new Map();
    const at = (x, y) => x < 0 || y < 0 || x >= width || y >= height ? 0 : labels[y * width + x];
    // Of the corners 1, 2, 4, 8 (top left, top right, bottom left, bottom right) those inside; and
    // the sides that a line joins: 0 top, 1 right, 2 bottom, 3 left.
    const lines = [[], [[3, 0]], [[0, 1]], [[3, 1]], [[3, 2]], [[0, 2]], [[3, 0], [1, 2]], [[1, 2]],
      [[1, 2]], [[3, 2], [0, 1]], [[0, 2]], [[3, 2]], [[3, 1]], [[0, 1]], [[3, 0]], []];
    const sides = [[1, 0.5], [1.5, 1], [1, 1.5], [0.5, 1]];
    for (let y = -1; y < height; y++)
      for (let x = -1; x < width; x++) {
        const corners = [at(x, y), at(x + 1, y), at(x, y + 1), at(x + 1, y + 1)];
        if (corners.every(label => label === corners[0])) continue;
        for (const label of new Set(corners)) {
          const color = label && colorOf(label);
          if (!color) continue;
          if (!paths.has(color)) paths.set(color, new Path2D());
          const inside = corners.reduce((sum, one, i) => sum + (one === label ? 1 << i : 0), 0);
          for (const [from, to] of lines[inside]) {
            paths.get(color).moveTo(x + sides[from][0], y + sides[from][1]);
            paths.get(color).lineTo(x + sides[to][0], y + sides[to][1]);
          }
        }
      }
    return paths;
  }

  function fill(context, {labels, width, height}, colorOf, scale, alpha) {
    const rows = new Map();
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width;) {
        const label = labels[y * width + x];
        let end = x + 1;
        while (end < width && labels[y * width + end] === label) end++;
        const color = label && colorOf(label);
        if (color) {
          if (!rows.has(color)) rows.set(color, new Path2D());
          rows.get(color).rect(x * scale, y * scale, (end - x) * scale, scale);
        }
        x = end;
      }
    context.globalAlpha = alpha;
    for (const [color, path] of rows) {
      context.fillStyle = color;
      context.fill(path);
    }
    context.globalAlpha = 1;
  }

  function stroke(context, labels, colorOf, scale, width, dash) {
    context.save();
    context.scale(scale, scale);
    context.lineWidth = width / scale;
    context.lineCap = "round";
    context.setLineDash(dash ? [dash / scale, dash / scale] : []);
    for (const [color, path] of edges(labels, colorOf)) {
      context.strokeStyle = color;
      context.stroke(path);
    }
    context.restore();
  }

  function scaleBar(context, width, height, umPerPixel) {
    const wanted = 0.22 * width * umPerPixel, power = 10 ** Math.floor(Math.log10(wanted));
    const um = [5, 2, 1].map(step => step * power).find(length => length <= wanted);
    const length = um / umPerPixel, margin = width / 40, thick = Math.max(3, width / 200);
    const x = width - margin - length, y = height - margin - thick;
    context.shadowColor = "#000";
    context.shadowBlur = 6;
    context.fillStyle = "#fff";
    context.fillRect(x, y, length, thick);
    context.font = `600 ${Math.max(12, width / 40)}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.fillText(`${+um.toPrecision(2)} µm`, x + length / 2, y - thick);
    context.shadowBlur = 0;
  }

  class Viewer {
    constructor(root) {
      this.root = root;
      this.data = JSON.parse(document.getElementById(root.dataset.viewer).textContent);
      this.canvas = root.querySelector("canvas");
      this.form = root.querySelector("form");
      this.said = root.querySelector(".said");
      this.hint = this.said.textContent;
      this.cache = new Map();
      this.turn = 0;
      this.form.addEventListener("input", () => this.draw());
      this.form.addEventListener("submit", event => event.preventDefault());
      this.canvas.addEventListener("keydown", event => this.key(event));
      this.canvas.addEventListener("pointermove", event => this.point(event));
      this.canvas.addEventListener("pointerdown", event => this.point(event));
      root.classList.add("ready");
      this.draw();
    }

    value(name) {
      const found = this.form.elements[name];
      return found && (found.type === "checkbox" ? found.checked : found.value);
    }

    get frame() { return this.data.frames[this.value("frame")]; }
    get plane() { return this.data.planes[this.value("plane")]; }

    step(name, by) {
      const slider = this.form.elements[name];
      slider.value = +slider.value + by;
      this.draw();
    }

    key(event) {
      const moves = {ArrowLeft: ["plane", -1], ArrowRight: ["plane", 1], ArrowDown: ["frame", -1], ArrowUp: ["frame", 1]};
      if (!moves[event.key]) return;
      event.preventDefault();
      this.step(...moves[event.key]);
    }

    cached(source, load) {
      if (!this.cache.has(source)) {
        if (this.cache.size >= KEPT) this.cache.delete(this.cache.keys().next().value);
        this.cache.set(source, load(source));
      }
      return this.cache.get(source);
    }

    async draw() {
      const turn = ++this.turn, part = this.data.slices[`${this.frame}/${this.plane}`];
      this.tell();
      const [image, result, reference] = await Promise.all([
        this.cached(part.views[this.value("view")], loadImage),
        this.cached(part.result, loadLabels),
        part.reference ? this.cached(part.reference, loadLabels) : null,
      ]);
      if (turn !== this.turn) return;
      Object.assign(this, {part, result, reference});
      const scale = Math.max(2, Math.round(1000 / Math.max(image.width, image.height)));
      const [width, height] = [image.width * scale, image.height * scale];
      Object.assign(this.canvas, {width, height});
      const context = this.canvas.getContext("2d");
      context.imageSmoothingQuality = "high";
      context.drawImage(image, 0, 0, width, height);
      this.cells(context, scale);
      if (this.data.um) scaleBar(context, width, height, this.data.um / scale);
      this.root.dataset.drawn = `${this.frame}/${this.plane}/${this.value("view")}/${this.value("over")}`;
    }

    cells(context, scale) {
      const over = this.value("over"), {part, result, reference} = this;
      if (over === "outline") stroke(context, result, () => "#f0e442", scale, 1.6);
      if (over === "own") {
        fill(context, result, ownColor, scale, 0.45);
        stroke(context, result, ownColor, scale, 1.6);
      }
      if (over === "outcome" && reference) {
        const found = label => COLORS[part.found[label]];
        const missed = label => part.wanted[label] && part.wanted[label][0] === 2 ? COLORS[2] : "";
        fill(context, result, found, scale, 0.38);
        fill(context, reference, missed, scale, 0.45);
        stroke(context, result, found, scale, 1.8);
        stroke(context, reference, missed, scale, 2.4, 6);
      }
      if (this.value("reference") && reference) stroke(context, reference, () => "#ffffff", scale, 1.4, 4);
    }

    tell() {
      this.form.querySelector(".frame-out").textContent = this.frame;
      this.form.querySelector(".plane-out").textContent = `${this.plane} of 0 to ${this.data.depth - 1}`;
      for (const name of ["frame", "plane"])
        this.form.elements[name].setAttribute("aria-valuetext", `${name} ${this[name]}`);
      const counts = this.data.counts[this.frame] || {};
      for (const item of this.form.querySelectorAll(".legend li")) {
        const count = counts[item.dataset.code] || 0;
        item.querySelector(".count").textContent = count;
        item.hidden = item.dataset.code === "6" && !count;
      }
      this.canvas.setAttribute("aria-label",
        `${this.data.name}, frame ${this.frame}, plane ${this.plane}, ${this.value("view")}`);
      this.said.textContent = this.hint;
    }

    point(event) {
      if (!this.result) return;
      const box = this.canvas.getBoundingClientRect();
      const x = Math.floor((event.clientX - box.left) / box.width * this.result.width);
      const y = Math.floor((event.clientY - box.top) / box.height * this.result.height);
      const place = Math.min(Math.max(y, 0), this.result.height - 1) * this.result.width + x;
      const ours = this.result.labels[place], theirs = this.reference ? this.reference.labels[place] : 0;
      const told = [];
      if (ours) {
        const outcome = NAMES[this.part.found[ours]];
        told.push(`Result cell ${ours}${outcome ? `: ${outcome}` : ""}.`);
      }
      if (theirs && this.part.wanted[theirs]) {
        const [outcome, iou] = this.part.wanted[theirs];
        told.push(`Reference cell ${theirs}: ${NAMES[outcome]}, IoU ${iou.toFixed(2)}.`);
      }
      this.said.textContent = told.join(" ") || "Background.";
    }

    show(frame) {
      this.form.elements.frame.value = this.data.frames.indexOf(frame);
      this.draw();
      this.root.scrollIntoView({block: "center"});
      this.canvas.focus({preventScroll: true});
    }
  }

  const viewers = new Map();
  for (const root of document.querySelectorAll("[data-viewer]"))
    viewers.set(root.closest("section").id, new Viewer(root));
  for (const button of document.querySelectorAll("[data-go]"))
    button.addEventListener("click", () => viewers.get(button.dataset.go).show(+button.dataset.frame));
})();
