// A cluster: the kept record first, then its members by distance; who is in doubt is drawn out.

import { get, post, notice, dismiss } from "./api.js";
import { el, svg, button, id, count, plain, share, say } from "./dom.js";

const ROW = 84; // pixels of a member's row, the same for all, so that five thousand need no more
const AROUND = 6; // rows drawn above and below what is seen
const PAGE = 100; // members asked for at a time
const SIZE = 260; // of the drawing

export class ClusterView {
  constructor(name, { open, changed }) {
    Object.assign(this, { name, openPair: open, changed, chosen: new Set(), members: new Map(), at: 0 });
    this.node = el("article", { class: "cluster", "aria-label": "Cluster" }, el("p", {}, "Loading …"));
    this.asked = new Set();
  }

  async load() {
    this.cluster = await get("/api/cluster", { id: this.name, offset: 0, limit: PAGE });
    this.keep(this.cluster);
    this.draw();
    return this;
  }

  keep(page) {
    page.members.forEach((member, place) => this.members.set(page.offset + place, member));
  }

  draw() {
    const { cluster } = this;
    this.list = el("div", { class: "members", tabindex: 0, role: "listbox", "aria-multiselectable": "true",
      "aria-label": `${count(cluster.total)} members, the kept one first`,
      onscroll: () => this.rows(), onkeydown: (event) => this.walk(event) });
    this.space = el("div", { class: "space" });
    this.space.style.height = `${cluster.total * ROW}px`;
    this.list.append(this.space);
    const keeper = cluster.keeper;
    const suggested = keeper.suggestions.map((one) => button(`Keep ${one.id}`, () => this.act({ act: "keep", record: one.id }),
      { kind: "small", title: one.reason }));
    this.node.replaceChildren(
      el("header", {},
        el("h2", {}, cluster.title),
        el("p", { class: "row" }, el("span", { class: `chip ${cluster.status}` }, cluster.status),
          el("span", {}, `${count(cluster.size)} records`), el("span", {}, "weakest link ", el("b", {}, share(cluster.cohesion))),
          cluster.reviewed ? el("span", { class: "chip done" }, "decided") : ""),
        el("p", {}, cluster.why ?? ""),
        el("p", {}, "Kept: ", id(keeper.id), ` (${keeper.reason}${keeper.chosen_by ? `, chosen by ${keeper.chosen_by}` : ""}) `, ...suggested)),
      el("div", { class: "two" },
        el("section", { "aria-label": "Members" }, this.list),
        el("section", { class: "beside" }, this.graph(), this.links(), this.detail = el("div", { class: "detail" }))),
      this.cuts());
    this.rows();
    requestAnimationFrame(() => this.rows());
  }

  rows() {
    const first = Math.max(0, Math.floor(this.list.scrollTop / ROW) - AROUND);
    const seen = Math.ceil((this.list.clientHeight || 600) / ROW) + 2 * AROUND;
    const last = Math.min(this.cluster.total, first + seen);
    const drawn = [];
    for (let place = first; place < last; place++) {
      const member = this.members.get(place);
      if (!member) this.fetch(Math.floor(place / PAGE) * PAGE);
      drawn.push(this.row(place, member));
    }
    this.space.replaceChildren(...drawn);
  }

  async fetch(offset) {
    if (this.asked.has(offset)) return;
    this.asked.add(offset);
    try {
      this.keep(await get("/api/cluster", { id: this.name, offset, limit: PAGE }));
      this.rows();
    } catch (error) { notice(error.message, { kind: "bad", key: "cluster" }); }
  }

  row(place, member) {
    const row = el("div", { class: "member", role: "option", id: `member-${place}`,
      "aria-selected": member ? this.chosen.has(member.record.id) : false,
      onclick: (event) => { this.at = place; if (!event.target.closest("input")) this.look(); this.rows(); } });
    row.style.top = `${place * ROW}px`;
    row.style.height = `${ROW}px`;
    row.classList.toggle("at", place === this.at);
    if (!member) return row;
    const { record } = member;
    const box = member.keeper ? el("b", { class: "chip keep" }, "kept") :
      el("input", { type: "checkbox", "aria-label": `Choose ${record.id}`, onchange: () => this.choose(record.id) });
    if (!member.keeper) box.checked = this.chosen.has(record.id);
    row.append(box,
      record.picture ? el("img", { src: record.picture.small, alt: "", loading: "lazy" }) : "",
      el("div", { class: "words" },
        el("p", { class: "title" }, record.title || record.id),
        el("p", { class: "quiet" }, id(record.id), ` ${record.location ?? ""}`),
        el("p", { class: "quiet" }, member.keeper ? "" : `${share(member.probability)} ${member.identical ? "identical" : plain(member.differences) || member.reason || ""}`,
          member.answer ? ` · answered: ${member.answer}` : "")));
    return row;
  }

  walk(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 6, PageUp: -6 }[event.key];
    if (step) {
      event.preventDefault();
      this.at = Math.min(Math.max(this.at + step, 0), this.cluster.total - 1);
      const top = this.at * ROW;
      if (top < this.list.scrollTop) this.list.scrollTop = top;
      if (top + ROW > this.list.scrollTop + this.list.clientHeight) this.list.scrollTop = top + ROW - this.list.clientHeight;
      this.list.setAttribute("aria-activedescendant", `member-${this.at}`);
      this.rows();
      this.look();
    } else if (event.key === " ") {
      event.preventDefault();
      const member = this.members.get(this.at);
      if (member && !member.keeper) this.choose(member.record.id);
    }
  }

  choose(name) {
    if (!this.chosen.delete(name)) this.chosen.add(name);
    say(`${this.chosen.size} chosen`);
    this.rows();
    this.changed();
  }

  look() {
    const member = this.members.get(this.at);
    if (!member) return;
    this.detail.replaceChildren(
      el("h3", {}, member.keeper ? "The kept record" : "Against the kept record"),
      el("p", {}, id(member.record.id), " ", member.keeper ? "" :
        button("Open the pair", () => this.openPair(this.cluster.keeper.id, member.record.id), { kind: "small" })),
      ...(member.rows ?? []).filter((row) => !row.same).map((row) => el("section", { class: "field" }, el("h4", {}, row.name),
        el("p", {}, parts(row.left)), el("p", {}, parts(row.right)))),
      (member.rows ?? []).some((row) => !row.same) || member.keeper ? "" : el("p", { class: "quiet" }, "No field differs."));
  }

  // The kept one in the middle, the others around it by distance; bridges and the weakest link bold.
  graph() {
    const { graph, weakest } = this.cluster;
    if (!graph || graph.nodes.length < 3) return "";
    const middle = SIZE / 2, at = new Map();
    const others = graph.nodes.filter((node) => !node.keeper);
    for (const node of graph.nodes) if (node.keeper) at.set(node.id, [middle, middle]);
    others.forEach((node, place) => {
      const angle = 2 * Math.PI * place / others.length;
      at.set(node.id, [middle + 0.84 * middle * Math.cos(angle), middle + 0.84 * middle * Math.sin(angle)]);
    });
    const lines = graph.edges.filter((edge) => at.has(edge.left) && at.has(edge.right)).map((edge) => {
      const [[x1, y1], [x2, y2]] = [at.get(edge.left), at.get(edge.right)];
      const weak = weakest && edge.left === weakest.left && edge.right === weakest.right;
      return svg("line", { x1, y1, x2, y2, class: weak ? "weak" : edge.bridge ? "bridge" : edge.decision === "duplicate" ? "yes" : "ask" },
        svg("title", {}, `${edge.left} – ${edge.right}: ${share(edge.probability)}`));
    });
    const dots = graph.nodes.map((node) => {
      const [cx, cy] = at.get(node.id);
      return svg("circle", { cx, cy, r: node.keeper ? 9 : 6, class: node.keeper ? "kept" : "" }, svg("title", {}, `${node.id} ${node.title}`));
    });
    const more = graph.more_nodes ? el("p", { class: "quiet" }, `${count(graph.more_nodes)} more records are not drawn`) : "";
    return el("figure", { class: "graph" },
      svg("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-label": `${graph.nodes.length} records and ${graph.edges.length} links` }, ...lines, ...dots),
      el("figcaption", { class: "quiet" }, "kept record in the middle; red: the weakest link; dashed: a bridge, the only link of two halves"), more);
  }

  links() {
    const { weakest, bridges } = this.cluster;
    const open = (link, words) => el("li", {}, button(words, () => this.openPair(link.left, link.right), { kind: "small" }),
      ` ${link.left} – ${link.right}, ${share(link.probability)}`);
    const items = [...(weakest ? [open(weakest, "Weakest link")] : []), ...bridges.map((link) => open(link, `Bridge (${link.sides.join(" and ")} records)`))];
    return items.length ? el("ul", { class: "links" }, ...items) : "";
  }

  cuts() {
    const { cuts } = this.cluster;
    if (!cuts.length) return "";
    return el("details", {}, el("summary", {}, `${cuts.length} ${cuts.length === 1 ? "link" : "links"} cut`),
      el("ul", {}, ...cuts.map((cut) => el("li", {}, `${cut.left} – ${cut.right}, ${share(cut.probability)}: ${cut.reason}`))));
  }

  // --- acts ---

  get acts() {
    const chosen = this.chosen.size;
    return [
      { key: "a", words: chosen ? `Accept the rest (${this.cluster.size - chosen})` : "Accept: all the same", kind: "same",
        act: () => this.act({ act: "accept", except: [...this.chosen] }) },
      { key: "d", words: `Draw out ${chosen || "the chosen"}`, kind: "different", off: !chosen,
        act: () => this.act({ act: "draw_out", records: [...this.chosen] }) },
      { key: "p", words: `Split ${chosen || "the chosen"} off as a group`, kind: "related", off: !chosen,
        act: () => this.act({ act: "split", parts: [[...this.chosen]] }) },
      { key: "k", words: "Keep this one", kind: "unsure", off: this.at === 0 || !this.members.get(this.at),
        act: () => this.act({ act: "keep", record: this.members.get(this.at).record.id }) },
    ];
  }

  async act(body) {
    if (this.acting) return; // one step at a time: a key pressed twice is one
    this.acting = true;
    dismiss("cluster");
    try {
      const done = await post("/api/cluster/act", { id: this.name, ...body });
      say(done.words);
      notice(done.words, { kind: "good", key: "cluster" });
      if (done.contradiction) notice(done.contradiction.sentence, { key: "contradiction" });
      this.chosen.clear();
      this.asked.clear();
      await this.load();
      this.changed(done.progress);
    } catch (error) {
      notice(error.message, { kind: "bad", key: "cluster" });
    } finally {
      this.acting = false;
    }
  }

  key(name) {
    const found = this.acts.find((act) => act.key === name && !act.off);
    if (found) found.act();
    return Boolean(found);
  }
}

const parts = (segments) => segments.length ?
  segments.map((part) => part.mark === "same" ? part.text : el("mark", {}, part.text)) : el("span", { class: "quiet" }, "not there");
