"use strict";
// Search, filters and pages only: without it every cluster shown in full is on the page, folded.
(() => {
  const byId = (id) => document.getElementById(id);

  // Pages of some items, of which `matching` gives those to be seen and `show` draws some.
  function pages(ids, size, matching, show) {
    const [previous, next, position] = ids.map(byId);
    let page = 0;
    const pager = {
      draw() {
        const found = matching(), last = Math.max(1, Math.ceil(found.length / size)) - 1;
        page = Math.min(Math.max(page, 0), last);
        const here = found.slice(page * size, (page + 1) * size);
        show(here);
        const first = here.length ? page * size + 1 : 0;
        position.textContent = `${first}–${first ? first + here.length - 1 : 0} of ${found.length}`;
        previous.disabled = page === 0;
        next.disabled = page === last;
      },
      open(number) { page = number; pager.draw(); },
    };
    const turn = (step) => {
      pager.open(page + step);
      previous.closest("section").scrollIntoView();
    };
    previous.addEventListener("click", () => turn(-1));
    next.addEventListener("click", () => turn(1));
    return pager;
  }

  // Calls `act` when nobody has typed for a moment: a page of a thousand clusters takes one to search.
  function whenTyped(field, act) {
    let timer = 0;
    field.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(act, 120); });
  }

  const wordsOf = (field) => field.value.toLowerCase().split(/\s+/).filter(Boolean);

  // --- clusters shown in full ---
  const PAGE = 10;
  const all = [...document.querySelectorAll("#list > .cluster")];
  const filter = byId("filter"), find = byId("find");
  const said = new Map();
  function told(cluster) {
    if (!said.has(cluster)) said.set(cluster, cluster.textContent.toLowerCase());
    return said.get(cluster);
  }
  function matching() {
    const words = wordsOf(find);
    return all.filter((cluster) =>
      (filter.value === "all" || cluster.dataset.tags.split(" ").includes(filter.value)) &&
      words.every((word) => told(cluster).includes(word)));
  }
  const full = pages(["previous", "next", "position"], PAGE, matching, (here) => {
    const seen = new Set(here);
    for (const cluster of all) cluster.hidden = !seen.has(cluster);
  });

  function follow() {
    const at = all.indexOf(byId(location.hash.slice(1)));
    if (at < 0) return;
    filter.value = "all";
    find.value = "";
    full.open(Math.floor(at / PAGE));
    all[at].open = true;
    all[at].scrollIntoView();
    all[at].querySelector("summary").focus({ preventScroll: true });
  }

  if (all.length) byId("controls").hidden = false;
  filter.addEventListener("change", () => full.open(0));
  whenTyped(find, () => full.open(0));
  byId("open").addEventListener("click", () => {
    const shown = all.filter((cluster) => !cluster.hidden);
    const open = shown.some((cluster) => !cluster.open);
    for (const cluster of shown) cluster.open = open;
  });
  addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll("main details:not(.data)")) folded.open = true;
  });
  addEventListener("hashchange", follow);
  // A link to the place already in the address bar changes no hash.
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("a[href^='#cluster-']")) setTimeout(follow);
  });

  // --- ids to copy ---
  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch { // a page of the local disk may not, in some browsers
      const field = document.createElement("textarea");
      field.value = text;
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
  }
  for (const button of document.querySelectorAll(".copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await copy(button.dataset.copy);
      const before = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = before; }, 1500);
    });
  }

  // --- the list of all clusters ---
  const data = byId("all-data");
  if (data) {
    const listed = JSON.parse(data.textContent).map(
      ([id, size, cohesion, status, evidence, title, members, number]) =>
        ({ id, size, cohesion, status, evidence, title, members, number }));
    const weakest = [...listed].sort((a, b) => a.cohesion - b.cohesion);
    const status = byId("all-filter"), order = byId("all-order"), wanted = byId("all-find");
    const text = (cluster) =>
      (cluster.text ??= [cluster.id, cluster.title, ...cluster.members].join(" ").toLowerCase());
    const cell = (row, content, name = "") => {
      const made = row.insertCell();
      made.className = name;
      made.append(content);
      return made;
    };
    const show = (here) => byId("all-rows").replaceChildren(...here.map((cluster) => {
      const row = document.createElement("tr");
      const id = document.createElement("code");
      id.textContent = cluster.id;
      cell(row, id);
      let title = document.createElement(cluster.number ? "a" : "span");
      if (cluster.number) title.href = `#cluster-${cluster.number}`;
      title.textContent = cluster.title;
      cell(row, title);
      cell(row, cluster.size.toLocaleString("en"), "n");
      cell(row, cluster.cohesion.toFixed(4), "n");
      cell(row, cluster.evidence);
      const tag = document.createElement("b");
      tag.className = cluster.status === "review" ? "tag ask" : "tag yes";
      tag.textContent = cluster.status;
      cell(row, tag);
      return row;
    }));
    const listing = pages(["all-previous", "all-next", "all-position"], 50, () => {
      const words = wordsOf(wanted);
      return (order.value === "size" ? listed : weakest).filter((cluster) =>
        (!status.value || cluster.status === status.value) &&
        words.every((word) => text(cluster).includes(word)));
    }, show);
    byId("all-controls").hidden = false;
    for (const field of [status, order]) field.addEventListener("change", () => listing.open(0));
    whenTyped(wanted, () => listing.open(0));
    listing.draw();
  }
  full.draw();
  follow();
})();
