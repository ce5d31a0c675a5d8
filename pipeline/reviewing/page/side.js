// What the answers say so far: counts, precision and recall with their intervals, doubt, clusters.

import { el, svg, count, share } from "./dom.js";

export function side(progress, learning) {
  const parts = [el("h2", {}, "So far"),
    el("p", {}, el("b", {}, count(progress.answers)), ` ${progress.answers === 1 ? "answer" : "answers"}: `,
      `${count(progress.same)} same, ${count(progress.different)} different, ${count(progress.related)} related, ${count(progress.unsure)} not sure`),
    el("p", { class: "quiet" }, `${count(progress.open)} pairs open`)];
  if (progress.agreement) parts.push(el("p", {}, progress.agreement.sentence));
  if (progress.enough) parts.push(el("p", { class: "enough" }, "Enough: the target is shown."));
  if (progress.sentence) parts.push(el("p", {}, progress.sentence));
  parts.push(el("h2", {}, "The judge"), el("p", { class: "quiet" }, learning.words));
  for (const [name, found] of [["Precision", learning.precision], ["Recall", learning.recall]]) {
    if (found && found.value !== null) parts.push(estimate(name, found, name === "Precision" ? learning.target : null));
  }
  const { doubt, clusters } = learning;
  if (doubt?.now !== null && doubt?.now !== undefined) {
    parts.push(el("h3", {}, "Doubt left"), el("p", {}, doubt.sentence || doubt.now.toFixed(1)), curve(doubt.history));
  }
  if (learning.advice && !progress.sentence) parts.push(el("p", {}, learning.advice));
  if (clusters) parts.push(el("h3", {}, "Tonight"), el("p", {}, clusters.sentence));
  return parts;
}

function estimate(name, { value, low, high, sentence }, target) {
  const bar = el("div", { class: "interval", "aria-hidden": "true" });
  const reach = el("span", { class: "reach" }), dot = el("span", { class: "dot" });
  reach.style.left = `${100 * low}%`;
  reach.style.width = `${100 * (high - low)}%`;
  dot.style.left = `${100 * value}%`;
  bar.append(reach, dot);
  if (target) {
    const line = el("span", { class: "target" });
    line.style.left = `${100 * target}%`;
    bar.append(line);
  }
  return el("section", { class: "estimate" }, el("h3", {}, name, " ", el("b", {}, share(value))), bar,
    el("p", { class: "quiet" }, sentence || `${share(low)} to ${share(high)}`));
}

function curve(history) {
  if (!history || history.length < 2) return "";
  const most = Math.max(...history.map((point) => point.doubt), 1e-9), last = history.at(-1).answers || 1;
  const points = history.map((point) => `${(100 * point.answers / last).toFixed(1)},${(30 - 28 * point.doubt / most).toFixed(1)}`).join(" ");
  return svg("svg", { viewBox: "0 0 100 31", class: "curve", role: "img", "aria-label": "Doubt by the number of answers", preserveAspectRatio: "none" },
    svg("polyline", { points }));
}
