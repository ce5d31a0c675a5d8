// Two pictures, large and whole, under one zoom: side by side, one in the other's place, or a slider.

import { el, button } from "./dom.js";

export const MODES = ["side", "flip", "slider"];
const TITLES = { side: "Side by side", flip: "One place", slider: "Slider" };
const kept = { mode: "side", boxes: true };

export class Pictures {
  constructor(left, right, told) {
    Object.assign(this, { told, zoom: 1, x: 0, y: 0, front: "left", cut: 50 });
    this.sides = { left, right };
    this.stage = el("div", { class: "stage" });
    this.controls = el("div", { class: "row picture-controls" });
    this.node = el("section", { class: "pictures", "aria-label": "Pictures" }, this.controls, this.stage);
    this.stage.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.shiftKey) return;
      event.preventDefault();
      this.scale(event.deltaY < 0 ? 1.2 : 1 / 1.2);
    }, { passive: false });
    this.stage.addEventListener("pointerdown", (event) => this.drag(event));
    this.draw();
  }

  get both() { return this.sides.left.picture && this.sides.right.picture; }

  key(name) {
    const acts = {
      f: () => { kept.mode = "flip"; this.front = this.front === "left" ? "right" : "left"; },
      v: () => { kept.mode = MODES[(MODES.indexOf(kept.mode) + 1) % MODES.length]; },
      d: () => { kept.boxes = !kept.boxes; },
      "+": () => this.scale(1.4), "=": () => this.scale(1.4), "-": () => this.scale(1 / 1.4),
    };
    if (!acts[name]) return false;
    acts[name]();
    this.draw();
    return true;
  }

  scale(by) {
    this.zoom = Math.min(Math.max(this.zoom * by, 1), 16);
    if (this.zoom === 1) this.x = this.y = 0;
    this.place();
  }

  drag(event) {
    if (event.target.closest("input")) return;
    const start = [event.clientX - this.x, event.clientY - this.y];
    const move = (now) => {
      if (this.zoom === 1) return;
      this.x = now.clientX - start[0];
      this.y = now.clientY - start[1];
      this.place();
    };
    const stop = () => removeEventListener("pointermove", move);
    addEventListener("pointermove", move);
    addEventListener("pointerup", stop, { once: true });
  }

  place() {
    this.stage.classList.toggle("zoomed", this.zoom > 1); // whole pictures leave a finger's stroke to the page
    for (const inner of this.stage.querySelectorAll(".inner")) {
      inner.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.zoom})`;
    }
  }

  draw() {
    const mode = this.both ? kept.mode : "side";
    const modes = MODES.map((name) => button(TITLES[name], () => { kept.mode = name; this.draw(); },
      { "aria-pressed": mode === name, kind: "small" }));
    const flip = button("Flip", () => this.key("f"), { key: "F", kind: "small" });
    const boxes = button(kept.boxes ? "Hide the boxes" : "Box what differs", () => this.key("d"), { key: "D", kind: "small" });
    const zoom = [button("−", () => this.scale(1 / 1.4), { kind: "small", "aria-label": "Smaller" }),
      button("+", () => this.scale(1.4), { kind: "small", "aria-label": "Larger" })];
    const any = this.told?.boxes && (this.told.boxes.left.length || this.told.boxes.right.length);
    this.controls.replaceChildren(...(this.both ? [...modes, flip] : []), ...(any ? [boxes] : []), ...zoom);
    if (mode === "side") {
      this.stage.replaceChildren(...["left", "right"].map((side) => this.figure(side)));
    } else {
      this.stage.replaceChildren(this.laid(mode));
    }
    this.stage.className = `stage ${mode}`;
    this.place();
  }

  picture(side) {
    const record = this.sides[side];
    return el("img", { src: record.picture.full, draggable: "false",
      alt: `Picture of ${side === "left" ? "A" : "B"}: ${record.title || record.id}` });
  }

  figure(side) {
    const record = this.sides[side];
    if (!record.picture) return el("figure", { class: "none" }, el("p", { class: "quiet" }, "no picture"));
    const inner = el("div", { class: "inner" }, el("div", { class: "fit" }, this.picture(side), ...this.marks(side)));
    return el("figure", {}, el("div", { class: "window" }, inner),
      el("figcaption", {}, `${side === "left" ? "A" : "B"} · ${record.picture.note ?? ""}`));
  }

  marks(side) {
    if (!kept.boxes || !this.told?.boxes) return [];
    return this.told.boxes[side].map(([left, top, right, bottom]) => {
      const box = el("span", { class: "box", "aria-hidden": "true" });
      box.style.left = `${100 * left}%`;
      box.style.top = `${100 * top}%`;
      box.style.width = `${100 * (right - left)}%`;
      box.style.height = `${100 * (bottom - top)}%`;
      return box;
    });
  }

  // Both in the frame of the left one, the right one laid into it where geometry knows how.
  laid(mode) {
    const left = this.picture("left"), right = this.picture("right");
    left.className = "under";
    right.className = "over";
    const fit = el("div", { class: "fit" }, left, right, ...this.marks("left"));
    const shown = el("figcaption", { "aria-live": "polite" });
    const redraw = () => {
      if (mode === "flip") {
        right.hidden = this.front === "left";
        shown.textContent = this.front === "left" ? "A" : "B, in A's place";
      } else {
        right.hidden = false;
        const corners = [[this.cut, 0], [100, 0], [100, 100], [this.cut, 100]];
        veil.style.clipPath = `polygon(${corners.map(([x, y]) => `${x}% ${y}%`).join(",")})`;
        shown.textContent = "A left of the line, B right of it";
      }
    };
    const veil = el("div", { class: "veil" }, right);
    fit.insertBefore(veil, left.nextSibling);
    const warp = () => {
      const [width, height] = [left.clientWidth, left.clientHeight];
      if (!width || !height) return;
      right.style.width = `${width}px`;
      right.style.height = `${height}px`;
      right.style.transform = this.told?.transform ? toCss(inverse(this.told.transform), width, height) : "none";
      right.classList.toggle("contained", !this.told?.transform);
    };
    left.addEventListener("load", warp);
    new ResizeObserver(warp).observe(left);
    const slider = mode === "slider" ? el("input", { type: "range", min: 0, max: 100, value: this.cut,
      "aria-label": "Line between A and B",
      oninput: (event) => { this.cut = Number(event.target.value); redraw(); } }) : null;
    redraw();
    return el("figure", {}, el("div", { class: "window" }, el("div", { class: "inner" }, fit)), slider, shown);
  }
}

function inverse([[a, b, c], [d, e, f], [g, h, i]]) {
  const rows = [[e * i - f * h, c * h - b * i, b * f - c * e], [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d]];
  const determinant = a * rows[0][0] + b * rows[1][0] + c * rows[2][0];
  return rows.map((row) => row.map((value) => value / determinant));
}

// A homography between relative coordinates as the browser's 4 x 4 matrix, column by column.
function toCss(m, width, height) {
  const scaled = [
    [m[0][0], m[0][1] * width / height, m[0][2] * width],
    [m[1][0] * height / width, m[1][1], m[1][2] * height],
    [m[2][0] / width, m[2][1] / height, m[2][2]],
  ];
  const [[a, b, c], [d, e, f], [g, h, i]] = scaled;
  return `matrix3d(${[a, d, 0, g, b, e, 0, h, 0, 0, 1, 0, c, f, 0, i].join(",")})`;
}
