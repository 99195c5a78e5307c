// Live regions: parts of a page that ask for themselves anew, marked by {% live %} (templatetags/live.py):
//   <div id="run" hx-get="/runs/7/" hx-trigger="ace:refresh" hx-swap="morph:outerHTML" data-live="2">
// Every so many seconds the element is told ace:refresh and htmx asks its page, which answers with this part
// alone, or 304 where nothing is new (console/live.py). The answer is morphed in: focus, selection, scroll,
// typed text, ticks and open <details> stay. What this file decides is when to ask:
//   - not while the tab is hidden; at once when it is looked at again;
//   - after a failure at twice the time, and so on up to a minute; #live-mark says since when nothing is live;
//   - never again where the answer has no data-live (it is over), or where the person is signed out;
//   - a moment later where the pointer moves over a [data-calm] list: its rows must not jump away under it.
(() => {
  "use strict";
  const LONGEST = 60;
  const CALM = 1200;
  const regions = new WeakMap();
  const mark = document.getElementById("live-mark");
  let signedOut = false;
  let moved = { at: -Infinity, over: null };

  const clock = () => performance.now();
  const live = () => document.querySelectorAll("[data-live]");

  // ---- when ----
  function pause(region, failures) {
    const every = Number(region.dataset.live);
    const seconds = Math.min(Math.max(LONGEST, every), every * 2 ** failures);
    // Spread, so that many open tabs do not ask in step.
    return 1000 * seconds * (0.9 + 0.2 * Math.random());
  }

  function stateOf(region) {
    if (!regions.has(region)) regions.set(region, { next: clock() + pause(region, 0), failures: 0, etag: "", asking: false });
    return regions.get(region);
  }

  function isUsed(region) {
    return clock() - moved.at < CALM && moved.over && region.contains(moved.over);
  }

  function look() {
    if (document.hidden || signedOut) return;
    for (const region of live()) {
      const state = stateOf(region);
      if (state.asking || clock() < state.next || isUsed(region)) continue;
      state.asking = true;
      window.htmx.trigger(region, "ace:refresh");
    }
  }

  function lookNow() {
    if (document.hidden) return;
    for (const region of live()) stateOf(region).next = 0;
    look();
  }

  document.addEventListener("pointermove", (event) => {
    moved = { at: clock(), over: event.target.closest?.("[data-calm]") };
  }, { passive: true });
  document.addEventListener("visibilitychange", lookNow);
  window.addEventListener("online", lookNow);
  window.addEventListener("pageshow", (event) => event.persisted && lookNow());

  // ---- what came of it ----
  document.addEventListener("htmx:configRequest", (event) => {
    const state = regions.get(event.target);
    if (state?.etag) event.detail.headers["If-None-Match"] = state.etag;
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    const region = event.target;
    const state = regions.get(region);
    if (!state?.asking) return;
    const { xhr } = event.detail;
    const good = xhr.status === 304 || (xhr.status >= 200 && xhr.status < 300);
    state.asking = false;
    state.failures = good ? 0 : state.failures + 1;
    state.etag = good ? xhr.getResponseHeader("ETag") || "" : state.etag;
    state.next = clock() + (region.dataset.live ? pause(region, state.failures) : 0);
    signedOut = signedOut || xhr.status === 401;
    tell();
  });

  function tell() {
    if (!mark) return;
    const lost = [...live()].some((region) => stateOf(region).failures);
    const time = mark.querySelector("time");
    if (lost && mark.hidden) {
      time.dateTime = new Date().toISOString();
      time.textContent = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
    }
    mark.querySelector("[data-lost]").hidden = signedOut;
    mark.querySelector("[data-out]").hidden = !signedOut;
    mark.hidden = !lost && !signedOut;
  }

  // ---- what a morph leaves alone ----
  function isTyped(field) {
    if (!field.matches("input, textarea, select")) return false;
    if (field === document.activeElement) return true;
    if (field.matches("select")) return [...field.options].some((option) => option.selected !== option.defaultSelected);
    if (field.matches("[type=checkbox], [type=radio]")) return field.checked !== field.defaultChecked;
    return field.type !== "hidden" && field.value !== field.defaultValue;
  }

  // What scripts and people put on an element, the server does not know of.
  function carryOver(old, fresh) {
    for (const name of ["is-cursor", "is-selected"]) {
      if (old.classList.contains(name)) fresh.classList.add(name);
    }
    if (old.matches("details, dialog")) fresh.toggleAttribute("open", old.open);
    if (old.matches("[data-copy], [data-dismiss], .ace-bulk")) fresh.hidden = old.hidden;
  }

  window.Idiomorph.defaults.callbacks.beforeNodeMorphed = (old, fresh) => {
    if (!(old instanceof Element) || !(fresh instanceof Element)) return true;
    if (old.matches("[data-keep]") || isTyped(old)) return false;
    carryOver(old, fresh);
    return true;
  };

  setInterval(look, 250);
})();
