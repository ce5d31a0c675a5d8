// A pair: its fields side by side, what differs marked, what agrees folded, pictures above.

import { el, button, id, count, plain, when } from "./dom.js";
import { Pictures } from "./pictures.js";

const kept = { blind: false, open: false };

export class PairView {
  constructor(pair, labels) {
    Object.assign(this, { pair, labels });
    const { left, right } = pair;
    const pictured = left.picture || right.picture;
    this.pictures = pictured ? new Pictures(left, right, pair.pictures) : null;
    this.node = el("article", { class: "pair", "aria-label": `Are these the same? ${left.title}; ${right.title}` });
    this.draw();
  }

  key(name) {
    if (name === "e") kept.open = !kept.open;
    else if (name === "b") kept.blind = !kept.blind;
    else return this.pictures?.key(name) ?? false;
    this.draw();
    return true;
  }

  draw() {
    const { pair } = this;
    const differing = pair.rows.filter((row) => !row.same), equal = pair.rows.filter((row) => row.same);
    const folded = equal.length ? el("details", { class: "equal", open: kept.open },
      el("summary", {}, `${equal.length} equal ${equal.length === 1 ? "field" : "fields"}: `,
        equal.map((row) => row.name).join(", ")),
      ...equal.map((row) => this.row(row))) : null;
    this.node.replaceChildren(
      this.told(),
      ...(this.pictures ? [this.pictures.node, this.edit()] : []),
      el("div", { class: "sides" }, this.head("A", pair.left), this.head("B", pair.right)),
      ...differing.map((row) => this.row(row)),
      folded ?? "",
      this.evidence(),
    );
  }

  edit() {
    const told = this.pair.pictures;
    if (!told?.edit) return "";
    return el("p", { class: "quiet" }, `Between the pictures: ${told.edit}`);
  }

  told() {
    const { pair } = this;
    const hidden = kept.blind || pair.asked_twice;
    const parts = pair.why && !hidden ? [el("span", { class: "chip" }, pair.why)] : [];
    if (!hidden && pair.probability !== null) {
      parts.push(el("span", {}, "probability ", el("b", {}, pair.probability.toFixed(3))));
      if (pair.now !== null && Math.abs(pair.now - pair.probability) >= 0.005) {
        parts.push(el("span", {}, "after your answers ", el("b", {}, pair.now.toFixed(3))));
      }
      parts.push(el("span", { class: "quiet" }, pair.reason ?? ""));
    }
    if (kept.blind) parts.push(el("span", { class: "quiet" }, "blind: scores hidden (B shows them)"));
    const answers = pair.answers.map((answer) => el("li", {}, answer.words, answer.note ? `: ${answer.note}` : ""));
    return el("header", {}, el("p", { class: "row" }, ...parts),
      hidden || !pair.differences ? "" :
        el("p", { class: "differences" }, el("b", {}, "Differs: "), plain(pair.differences)),
      answers.length ? el("ul", { class: "answers" }, ...answers) : "");
  }

  head(name, record) {
    return el("div", { class: "side" },
      el("p", {}, el("b", { class: "letter" }, name), " ", id(record.id), " ",
        el("span", { class: "quiet" }, [record.location, when(record.time)].filter(Boolean).join(" · "))),
      record.problem ? el("p", { class: "problem" }, record.problem) : "");
  }

  row(row) {
    const side = (name, parts) => el("div", { class: `cell${row.same ? "" : " differs"}`, "data-side": name },
      parts.length ? parts.map((part) => segment(part)) : el("span", { class: "quiet" }, "not there"));
    return el("section", { class: "field", "aria-label": row.name },
      el("h3", {}, row.name, row.same ? "" : el("span", { class: "sign", title: "differs" }, " ≠")),
      el("div", { class: "sides" }, side("A", row.left), side("B", row.right)));
  }

  evidence() {
    const { pair } = this;
    if (kept.blind || pair.asked_twice || !pair.evidence.length) return "";
    return el("details", { class: "evidence" }, el("summary", {}, "Evidence"),
      el("dl", {}, ...pair.evidence.map((item) => el("div", {}, el("dt", {}, item.name), el("dd", {}, item.text)))));
  }
}

function segment(part) {
  if (part.mark !== "same") return el("mark", { class: part.mark }, part.text);
  if (!part.fold || kept.open) return part.text;
  const shown = button(`… ${count(part.words)} equal words …`, () => shown.replaceWith(part.text), { kind: "fold" });
  return shown;
}

export const isBlind = () => kept.blind;
