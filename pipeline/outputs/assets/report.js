"use strict";
// Filter and pages only: without it every cluster is on the page, folded.
(() => {
  const PAGE = 10;
  const all = [...document.querySelectorAll("#list > .cluster")];
  const byId = (id) => document.getElementById(id);
  const filter = byId("filter"), previous = byId("previous"), next = byId("next");
  let page = 0;

  const matching = () => all.filter((cluster) =>
    filter.value === "all" || cluster.dataset.tags.split(" ").includes(filter.value));

  function draw() {
    const found = matching(), pages = Math.max(1, Math.ceil(found.length / PAGE));
    page = Math.min(Math.max(page, 0), pages - 1);
    const here = new Set(found.slice(page * PAGE, (page + 1) * PAGE));
    for (const cluster of all) cluster.hidden = !here.has(cluster);
    const first = found.length ? page * PAGE + 1 : 0;
    byId("position").textContent = `${first}–${first ? first + here.size - 1 : 0} of ${found.length}`;
    previous.disabled = page === 0;
    next.disabled = page >= pages - 1;
  }

  function turn(step) {
    page += step;
    draw();
    byId("clusters").scrollIntoView();
  }

  function follow() {
    const at = all.indexOf(byId(location.hash.slice(1)));
    if (at < 0) return;
    filter.value = "all";
    page = Math.floor(at / PAGE);
    draw();
    all[at].open = true;
    all[at].scrollIntoView();
    all[at].querySelector("summary").focus({ preventScroll: true });
  }

  if (all.length) byId("controls").hidden = false;
  filter.addEventListener("change", () => { page = 0; draw(); });
  previous.addEventListener("click", () => turn(-1));
  next.addEventListener("click", () => turn(1));
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
  draw();
  follow();
})();
