// Past answers, rules over many pairs, and the model that the answers make.

import { get, post, notice } from "./api.js";
import { el, button, id, count, plain, share, when, say } from "./dom.js";

const SHOWN = 50;

export class Answers {
  constructor({ open }) {
    Object.assign(this, { open, offset: 0 });
    this.find = el("input", { type: "search", id: "answers-find", placeholder: "words or ids", oninput: () => this.later() });
    this.label = el("select", { "aria-label": "Which answers", onchange: () => { this.offset = 0; this.load(); } },
      ...[["", "all answers"], ["same", "same"], ["related", "related"], ["different", "different"], ["unsure", "not sure"]]
        .map(([value, words]) => el("option", { value }, words)));
    this.list = el("div", {});
    this.node = el("article", {}, el("h2", {}, "Past answers"),
      el("p", { class: "row" }, el("label", {}, "Find ", this.find), this.label), this.list);
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { this.offset = 0; this.load(); }, 150);
  }

  async load() {
    let found;
    try {
      found = await get("/api/answers",
        { q: this.find.value, label: this.label.value, offset: this.offset, limit: SHOWN });
    } catch (error) { notice(error.message, { kind: "bad", key: "answers" }); return this; }
    const { total, items } = found;
    const rows = items.map((item) => el("tr", { class: item.current && item.followed ? "" : "past" },
      el("td", {}, el("b", { class: `chip ${item.label}` }, item.label)),
      el("td", {}, item.left.title || item.left.id, el("br"), id(item.left.id)),
      el("td", {}, item.right.title || item.right.id, el("br"), id(item.right.id)),
      el("td", {}, item.by, el("br"), el("span", { class: "quiet" }, when(item.at))),
      el("td", {}, item.followed ? (item.current ? "" : "answered again since") : item.words ?? "not followed"),
      el("td", {}, button("Change", () => this.open(item.left.id, item.right.id), { kind: "small" }))));
    const turn = (step) => { this.offset += step * SHOWN; this.load(); };
    this.list.replaceChildren(
      total ? el("div", { class: "scroll" }, el("table", {},
        el("thead", {}, el("tr", {}, ...["Answer", "A", "B", "By", "", ""].map((name) => el("th", {}, name)))),
        el("tbody", {}, ...rows))) : el("p", { class: "quiet" }, "No answer yet."),
      el("p", { class: "row" }, button("Previous", () => turn(-1), { disabled: this.offset === 0 }),
        `${count(Math.min(this.offset + 1, total))}–${count(Math.min(this.offset + SHOWN, total))} of ${count(total)}`,
        button("Next", () => turn(1), { disabled: this.offset + SHOWN >= total })));
    return this;
  }
}

export class Rules {
  constructor({ filters, changed }) {
    Object.assign(this, { filters, changed });
    this.node = el("article", {}, el("h2", {}, "Rules"),
      el("p", { class: "quiet" }, "A rule answers many pairs at once. It shows a sample before it acts, and can be taken back."));
    this.body = el("div", {});
    this.node.append(this.body);
  }

  async load() {
    let found;
    try { found = await get("/api/rules"); } catch (error) { notice(error.message, { kind: "bad", key: "rules" }); return this; }
    const { kinds, applied } = found;
    this.body.replaceChildren(...kinds.map((kind) => this.kind(kind)),
      el("h3", {}, "Applied"),
      applied.length ? el("ul", {}, ...applied.map((rule) => this.applied(rule))) : el("p", { class: "quiet" }, "None."));
    return this;
  }

  kind(kind) {
    const fields = kind.settings.map((setting) => [setting.name, el("input",
      { type: "number", min: setting.low, max: setting.high, step: 0.005, value: setting.default, "aria-label": `${kind.title}: ${setting.name}` })]);
    const shown = el("div", {});
    const preview = async () => {
      const settings = Object.fromEntries(fields.map(([name, field]) => [name, Number(field.value)]));
      try {
        const found = await post("/api/rules/preview", { name: kind.name, settings, filters: this.filters() });
        shown.replaceChildren(el("p", {}, found.words),
          el("ol", {}, ...found.sample.map((pair) => el("li", {}, `${pair.left.title || pair.left.id} = ${pair.right.title || pair.right.id}`,
            el("span", { class: "quiet" }, ` ${pair.probability === null ? "" : share(pair.probability)} ${plain(pair.differences)}`)))),
          found.pairs ? button(`Answer these ${count(found.pairs)} pairs “same”`, () => this.apply(found.key)) : "");
      } catch (error) { notice(error.message, { kind: "bad", key: "rules" }); }
    };
    return el("section", { class: "card" }, el("h3", {}, kind.title), el("p", { class: "quiet" }, kind.words),
      el("p", { class: "row" }, ...fields.map(([name, field]) => el("label", {}, `${name} `, field)), button("Show what it would do", preview)), shown);
  }

  applied(rule) {
    const state = rule.withdrawn ? "taken back" : `${count(rule.standing)} of ${count(rule.pairs)} pairs still stand`;
    return el("li", {}, `${rule.words} (${rule.by}, ${when(rule.at)}): ${state} `,
      rule.withdrawn ? "" : button("Take back", () => this.change("/api/rules/withdraw", { id: rule.id }), { kind: "small" }));
  }

  apply(key) { return this.change("/api/rules/apply", { key }); }

  async change(path, body) {
    try {
      const done = await post(path, body);
      say(done.rule.words);
      this.changed(done.progress);
    } catch (error) { notice(error.message, { kind: "bad", key: "rules" }); }
    await this.load();
  }
}

export class Model {
  constructor() {
    this.node = el("article", {}, el("h2", {}, "Make it a model"),
      el("p", { class: "quiet" }, "A full fine-tune on all answers: it is measured on answers kept back, passes a gate, and judges the next run once it is promoted."));
    this.body = el("div", { "aria-live": "polite" });
    this.node.append(this.body);
  }

  async load() {
    try { this.draw(await get("/api/model")); } catch (error) { notice(error.message, { kind: "bad", key: "model" }); }
    return this;
  }

  async ask(path, body = {}) {
    try { this.draw(await post(path, body)); } catch (error) { notice(error.message, { kind: "bad", key: "model" }); }
  }

  draw(model) {
    clearTimeout(this.timer);
    const running = model.state === "running";
    const gate = model.gate.map((item) => el("li", {}, el("b", { class: `chip ${item.passed ? "same" : "different"}` }, item.passed ? "passed" : "failed"), ` ${item.name}: ${item.words}`));
    const figures = model.figures.map((item) => el("div", {}, el("dt", {}, item.name),
      el("dd", {}, el("b", {}, share(item.value)), item.low === undefined || item.low === null ? "" : ` ${share(item.low)} to ${share(item.high)}`)));
    this.body.replaceChildren(
      el("p", {}, running ? el("span", { class: "spin", "aria-hidden": "true" }) : "", ` ${model.words}`, running ? ` ${model.phase} (${model.seconds.toFixed(0)} s)` : ""),
      figures.length ? el("dl", { class: "figures" }, ...figures) : "",
      gate.length ? el("ul", {}, ...gate) : "",
      model.changes.length ? el("ul", {}, ...model.changes.map((words) => el("li", {}, words))) : "",
      el("p", { class: "row" }, button("Make it a model", () => this.ask("/api/model/start"), { disabled: running }),
        model.state === "done" && !model.promoted ? button(model.passed ? "Promote it" : "Promote it all the same",
          () => this.ask("/api/model/promote", { model: model.model, force: !model.passed })) : ""));
    if (running && this.node.isConnected) this.timer = setTimeout(() => this.load(), 1000);
  }
}
