// The page: which view, which queue, which key does what.

import { get, post, notice, dismiss, Outbox, Refused } from "./api.js";
import { byId, el, button, count, say, plain } from "./dom.js";
import { ClusterView } from "./cluster.js";
import { Answers, Model, Rules } from "./lists.js";
import { PairView, isBlind } from "./pair.js";
import { side } from "./side.js";

const HELD = 6; // items asked for ahead
const FEW = 3; // items left at which more are asked for
const TABS = [["decide", "Decide"], ["answers", "Answers"], ["rules", "Rules"], ["model", "Model"]];
const KEYS = [["1 2 3 4", "same, related, different, not sure"], ["S or space", "skip"], ["U, R", "undo, redo"],
  ["F", "flip the pictures in place"], ["V", "side by side, one place, slider"], ["D", "box what differs"], ["+ −", "larger, smaller"],
  ["E", "unfold what is equal"], ["B", "blind: hide the scores"], ["C", "open the cluster of the pair"],
  ["A D P K", "in a cluster: accept, draw out, split off, keep"], ["↑ ↓ space", "in a cluster: walk, choose"], ["/", "search"], ["?", "these keys"]];

const page = {
  state: null, queue: "teaches", filters: {}, items: [], passed: new Set(), left: 0, version: 0, epoch: 0, asking: null, again: false,
  view: null, tab: "decide", single: false,
};
const outbox = new Outbox(answered, refused);

// --- start ---

async function start() {
  try {
    page.state = await get("/api/state");
  } catch (error) {
    byId("main").replaceChildren(el("p", {}, error.message));
    return;
  }
  const ready = page.state.queues.filter((queue) => queue.count !== 0);
  if (ready.length && !ready.some((queue) => queue.name === page.queue)) page.queue = ready[0].name;
  byId("where").textContent = `${page.state.catalog} · ${page.state.run.name} · ${page.state.by}${page.state.read_only ? " · read only" : ""}`;
  addEventListener("hashchange", route);
  addEventListener("keydown", pressed);
  setInterval(refresh, 2500);
  drawSide();
  await route();
}

async function route() {
  const [, kind, ...rest] = location.hash.split("/").map(decoded);
  page.single = false;
  page.tab = TABS.some(([name]) => name === kind) ? kind : "decide";
  drawTabs();
  if (kind === "pair" && rest.length === 2) await openPair(rest[0], rest[1]);
  else if (kind === "cluster" && rest.length) await openCluster(rest[0]);
  else if (page.tab === "answers") await show(new Answers({ open: goPair }));
  else if (page.tab === "rules") await show(new Rules({ filters: () => page.filters, changed: progressed }));
  else if (page.tab === "model") await show(new Model());
  else await decide();
}

// A hash that somebody cut in two is shown as it stands.
function decoded(part) {
  try { return decodeURIComponent(part); } catch { return part; }
}

const goPair = (left, right) => { location.hash = `/pair/${encodeURIComponent(left)}/${encodeURIComponent(right)}`; };
const goCluster = (name) => { location.hash = `/cluster/${encodeURIComponent(name)}`; };

async function show(view) {
  page.view = null;
  byId("bar").replaceChildren();
  try {
    await view.load();
  } catch (error) { notice(error.message, { kind: "bad", key: "view" }); return; }
  byId("main").replaceChildren(view.node);
}

function drawTabs() {
  byId("tabs").replaceChildren(...TABS.map(([name, words]) =>
    el("a", { href: `#/${name}`, "aria-current": page.tab === name ? "page" : null }, words)),
    button("Keys", help, { kind: "plain", key: "?" }));
}

// --- deciding ---

function isClusterQueue() {
  return page.state.queues.find((queue) => queue.name === page.queue)?.kind === "cluster";
}

async function decide() {
  if (isClusterQueue()) return clusters();
  if (!page.items.length) await fill();
  drawPair();
}

// One request at a time: who asks meanwhile gets what comes of one more.
async function fill() {
  page.again = Boolean(page.asking);
  page.asking ??= ask().finally(() => { page.asking = null; });
  await page.asking;
  if (!page.view && page.items.length && page.tab === "decide" && !page.single && !isClusterQueue()) drawPair();
}

async function ask() {
  try {
    do {
      page.again = false;
      const { epoch } = page;
      const exclude = [...page.passed, ...page.items.map((item) => item.key)].slice(-500);
      const found = await get("/api/next", { queue: page.queue, n: HELD, exclude, ...page.filters });
      if (epoch === page.epoch) taken(found);
      else page.again = true; // another queue or filter since
    } while (page.again);
  } catch (error) { notice(error.message, { kind: "bad", key: "next" }); }
}

function taken(found) {
  if (found.version !== page.version) {
    page.version = found.version;
    page.items.splice(1); // the order was learned anew: only what is on the screen stays
  }
  const held = new Set(page.items.map((item) => item.key));
  for (const item of found.items) if (!held.has(item.key) && !page.passed.has(item.key)) page.items.push(item);
  page.left = found.left;
  for (const item of page.items.slice(0, 3)) prefetch(item);
}

function prefetch(item) {
  for (const record of [item.left, item.right]) if (record?.picture) new Image().src = record.picture.full;
}

function drawPair() {
  const [item] = page.items;
  const main = byId("main");
  if (!item) {
    page.view = null;
    main.replaceChildren(...tools(), el("p", { class: "empty" }, "Nothing is open here. Another queue, or fewer filters, may have more."));
    byId("bar").replaceChildren(...past());
    return;
  }
  page.view = new PairView(item, page.state.labels);
  main.replaceChildren(...tools(), page.view.node);
  if (!page.single) scrollTo(0, 0);
  drawBar();
}

// Queue, filters and how many are left, above the question.
function tools() {
  const queues = el("select", { "aria-label": "Queue", onchange: (event) => { page.queue = event.target.value; reset(); } },
    ...page.state.queues.filter((queue) => queue.count !== 0 || queue.name === page.queue).map((queue) =>
      el("option", { value: queue.name, selected: queue.name === page.queue, title: queue.words },
        `${queue.title}${queue.count === null ? "" : ` (${count(queue.count)})`}`)));
  const active = Object.values(page.filters).filter(Boolean).length;
  return [el("div", { class: "tools row" }, queues, el("span", { class: "quiet" }, page.single ? (page.view instanceof ClusterView ? "one cluster" : "one pair") : `${count(page.left)} left`),
    el("details", { class: "filters" }, el("summary", {}, active ? `Filters (${active})` : "Filters"), filterForm()))];
}

function filterForm() {
  const set = (name) => (event) => {
    const field = event.target;
    const value = field.type === "checkbox" ? (field.checked ? 1 : "") : field.value;
    if (value === "") delete page.filters[name]; // the server wants no empty number
    else page.filters[name] = value;
    reset();
  };
  const choice = (name, words, values) => el("label", {}, `${words} `, el("select", { onchange: set(name) }, el("option", { value: "" }, "any"),
    ...values.map((value) => el("option", { value, selected: page.filters[name] === value }, value))));
  const number = (name, words, props) => el("label", {}, `${words} `, el("input", { type: "number", value: page.filters[name] ?? "", onchange: set(name), ...props }));
  return el("div", { class: "row" },
    el("label", {}, "Text ", el("input", { type: "search", id: "find", value: page.filters.q ?? "", onchange: set("q") })),
    choice("source", "Source", page.state.sources),
    choice("modality", "With", [...page.state.modalities, ...(page.state.modalities.length > 1 ? ["both"] : [])]),
    number("min", "Probability from", { min: 0, max: 1, step: 0.05 }), number("max", "to", { min: 0, max: 1, step: 0.05 }),
    number("size_min", "Cluster from", { min: 1 }), number("size_max", "to", { min: 1 }),
    el("label", {}, el("input", { type: "checkbox", checked: Boolean(page.filters.other_folder), onchange: set("other_folder") }), " other folder only"),
    button("Clear", () => { page.filters = {}; reset(); }, { kind: "small" }));
}

function reset() {
  page.items = [];
  page.passed.clear();
  page.epoch += 1;
  page.view = null;
  if (location.hash && !location.hash.startsWith("#/decide")) location.hash = "/decide";
  else decide();
}

function drawBar() {
  const bar = byId("bar");
  const off = page.state.read_only;
  if (page.view instanceof PairView) {
    const mine = page.view.pair.mine;
    bar.replaceChildren(...page.state.labels.map(({ label, words, key }) =>
      button(words, () => answer(label), { key, kind: `answer ${label}`, disabled: off, "aria-pressed": mine ? mine === label : null })),
      ...(page.single ? [button("Back", () => { location.hash = "/decide"; }, { key: "S" })] : [button("Skip", skip, { key: "S" })]), ...past());
  } else if (page.view instanceof ClusterView) {
    bar.replaceChildren(...page.view.acts.map((act) => button(act.words, act.act, { key: act.key.toUpperCase(), kind: `answer ${act.kind}`, disabled: off || act.off })),
      button("Back", () => { location.hash = "/decide"; }, { key: "S" }), ...past());
  }
}

function past() {
  const { progress, read_only: off } = page.state;
  return [button("Undo", () => step("undo"), { key: "U", disabled: off || !(progress.undo || outbox.waiting.length) }),
    button("Redo", () => step("redo"), { key: "R", disabled: off || !progress.redo })];
}

function answer(label) {
  const item = page.view.pair;
  const words = page.state.labels.find((one) => one.label === label).words;
  outbox.add("/api/answer", { left: item.left.id, right: item.right.id, label, seen: item.seen, origin: item.origin, blind: isBlind() || item.asked_twice });
  say(`Answered: ${words}. Next.`);
  if (page.single) { page.view = null; location.hash = "/decide"; return; }
  next();
}

function skip() {
  if (page.single) { location.hash = "/decide"; return; }
  say("Skipped. Next.");
  next();
}

async function next() {
  const [gone] = page.items.splice(0, 1);
  if (gone) page.passed.add(gone.key);
  page.view = null; // no key answers it again while the next one is on its way
  if (page.left) page.left -= 1;
  if (!page.items.length) await fill();
  else if (page.items.length < FEW) fill();
  drawPair();
}

function answered(sent, done) {
  progressed(done.progress);
  if (done.version !== undefined && done.version !== page.version && !page.single) fill();
  if (done.contradiction) {
    const rests = done.contradiction.chain.slice(0, 4).map((link) =>
      [`Look at ${link.left} – ${link.right}`, () => goPair(link.left, link.right)]);
    const why = done.contradiction.chain.filter((link) => link.rests_on).slice(0, 4)
      .map((link) => `${link.words ?? `${link.left} ${link.label} ${link.right}`} (${plain(link.rests_on)})`);
    notice([done.contradiction.sentence, ...why].join(" · "), { key: `contradiction ${sent.body.left} ${sent.body.right}`, actions: rests });
  }
}

function refused(sent, error) {
  if (error instanceof Refused && error.code === "changed" && error.body.latest) {
    notice(`${error.body.latest.words ?? error.message}. Your answer was ${sent.body.label}.`, { key: `changed ${sent.body.left} ${sent.body.right}`, actions: [
      ["Keep mine", () => outbox.add(sent.path, { ...sent.body, force: true })],
      ["Look again", () => goPair(sent.body.left, sent.body.right)]] });
  } else {
    notice(error.message, { kind: "bad", key: "refused" });
  }
}

async function step(name) {
  await outbox.empty();
  try {
    const done = await post(`/api/${name}`);
    progressed(done.progress);
    say(done.words);
    notice(done.words, { kind: "good", key: "step" });
    setTimeout(() => dismiss("step"), 4000);
    if (name === "undo" && done.pair && page.tab === "decide" && !isClusterQueue()) {
      page.items = [done.pair, ...page.items.filter((item) => item.key !== done.pair.key)];
      page.passed.delete(done.pair.key);
      page.left += 1;
      page.single = false;
      drawPair();
    } else if (name === "redo" && page.items[0]?.key === done.pair?.key) {
      next();
    } else if (page.view instanceof ClusterView) {
      await page.view.load();
      drawBar();
    }
  } catch (error) {
    notice(error.message, { kind: error.code === "nothing" ? "warn" : "bad", key: "step" });
  }
}

// --- single pairs and clusters ---

async function openPair(left, right) {
  try {
    await outbox.empty();
    const pair = await get("/api/pair", { left, right });
    page.single = true;
    page.view = new PairView(pair, page.state.labels);
    byId("main").replaceChildren(...tools(), page.view.node);
    drawBar();
  } catch (error) { notice(error.message, { kind: "bad", key: "pair" }); }
}

async function openCluster(name) {
  try {
    page.view = await new ClusterView(name, { open: goPair, changed: (progress) => { if (progress) progressed(progress); drawBar(); } }).load();
    page.single = true;
    byId("main").replaceChildren(...tools(), page.view.node);
    page.view.list.focus({ preventScroll: true });
    page.view.look();
    page.view.rows();
    drawBar();
  } catch (error) { notice(error.message, { kind: "bad", key: "cluster" }); }
}

async function clusters(offset = 0) {
  page.view = null;
  let found;
  try {
    found = await get("/api/clusters", { queue: page.queue, offset, limit: 50, ...page.filters });
  } catch (error) { notice(error.message, { kind: "bad", key: "clusters" }); return; }
  const { total, items } = found;
  page.left = total;
  const cards = items.map((item) => el("li", {}, el("a", { href: `#/cluster/${encodeURIComponent(item.id)}`, class: "card" },
    item.small ? el("img", { src: item.small, alt: "", loading: "lazy" }) : "",
    el("span", { class: "words" }, el("b", {}, item.title),
      el("span", { class: "quiet" }, `${count(item.size)} records · ${item.evidence} · ${item.sources.join(", ")}`), el("span", {}, item.why ?? "")),
    el("span", { class: `chip ${item.status}` }, item.reviewed ? "decided" : item.status))));
  byId("main").replaceChildren(...tools(), total ? el("ul", { class: "cards" }, ...cards) : el("p", { class: "empty" }, "No cluster fits."),
    el("p", { class: "row" }, button("Previous", () => clusters(offset - 50), { disabled: !offset }),
      button("Next", () => clusters(offset + 50), { disabled: offset + 50 >= total })));
  byId("bar").replaceChildren(...past());
}

// --- what is known meanwhile ---

function progressed(progress) {
  page.state.progress = progress;
  drawSide();
  for (const made of byId("bar").querySelectorAll("button")) {
    if (made.textContent.endsWith("Undo")) made.disabled = page.state.read_only || !progress.undo;
    if (made.textContent.endsWith("Redo")) made.disabled = page.state.read_only || !progress.redo;
  }
}

function drawSide() {
  byId("side").replaceChildren(...side(page.state.progress, page.state.learning));
}

async function refresh() {
  if (document.hidden || outbox.waiting.length) return;
  try {
    const state = await get("/api/state");
    const before = page.state;
    page.state = { ...state, progress: outbox.waiting.length ? before.progress : state.progress };
    drawSide();
    if (state.learning.version !== page.version && page.tab === "decide" && !isClusterQueue() && !page.single) fill();
  } catch { /* the outbox says so when it matters */ }
}

// --- keys ---

function help() {
  const dialog = byId("help");
  dialog.replaceChildren(el("h2", {}, "Keys"),
    el("dl", {}, ...KEYS.map(([keys, words]) => el("div", {}, el("dt", {}, el("kbd", {}, keys)), el("dd", {}, words)))),
    button("Close", () => dialog.close()));
  dialog.showModal();
}

function pressed(event) {
  if (event.repeat && !event.key.startsWith("Arrow") && !event.key.startsWith("Page")) return; // a held key answers once
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  const field = event.target.closest("input, select, textarea");
  if (field && !["checkbox", "range"].includes(field.type)) {
    if (event.key === "Escape") field.blur();
    return;
  }
  const name = event.key.toLowerCase();
  if (name === " " && event.target.closest("button, summary, a, .members, input")) return;
  if (act(name)) event.preventDefault();
}

function act(name) {
  const { view } = page;
  if (name === "?") { help(); return true; }
  if (name === "/") {
    const details = document.querySelector(".filters");
    if (details) details.open = true;
    (byId("answers-find") ?? byId("find"))?.focus();
    return true;
  }
  if (!page.state.read_only) {
    if (name === "u" || name === "z") { step("undo"); return true; }
    if (name === "r" || name === "y") { step("redo"); return true; }
    if (view instanceof PairView) {
      const label = page.state.labels.find((one) => one.key === name);
      if (label) { answer(label.label); return true; }
    }
    if (view instanceof ClusterView && view.key(name)) return true;
  }
  if ((name === "s" || name === " ") && view) { skip(); return true; }
  if (name === "c" && view instanceof PairView && view.pair.cluster.left) { goCluster(view.pair.cluster.left); return true; }
  return Boolean(view instanceof PairView && view.key(name));
}

start();
