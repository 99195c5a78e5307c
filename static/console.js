// The console's keys, dialogs, toasts, selection and clocks. Everything here is a shortcut to what
// the page can do without it; the markup says what it wants through data- attributes.
(() => {
  "use strict";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const shown = (element) => element && (element.checkVisibility?.() ?? element.offsetParent !== null);

  // ---- lists: [data-list] holds [data-row], each with one a[data-open] ----
  const rows = () => all("[data-list] [data-row]").filter(shown);
  const cursor = () => document.querySelector("[data-list] [data-row].is-cursor");

  function setCursor(row) {
    for (const other of all(".is-cursor")) other.classList.toggle("is-cursor", other === row);
    row.classList.add("is-cursor");
  }

  function move(step) {
    const list = rows();
    if (!list.length) return false;
    const at = list.indexOf(cursor());
    const row = list[at < 0 ? 0 : Math.min(list.length - 1, Math.max(0, at + step))];
    setCursor(row);
    (row.querySelector("[data-open]") || row).focus({ focusVisible: true, preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
    return true;
  }

  document.addEventListener("focusin", (event) => {
    const row = event.target.closest("[data-list] [data-row]");
    if (row) setCursor(row);
  });

  // Coming back to a list, by a decision or an undo too, finds the cursor where it was left.
  const place = "ace:cursor";

  window.addEventListener("pagehide", () => {
    const row = cursor();
    if (row) sessionStorage.setItem(place, JSON.stringify([location.pathname + location.search, row.id, rows().indexOf(row)]));
  });

  function restoreCursor() {
    const [address, id, index] = JSON.parse(sessionStorage.getItem(place) || "[]");
    if (address !== location.pathname + location.search || document.activeElement !== document.body) return;
    const list = rows();
    const row = list.find((other) => id && other.id === id) || list[Math.min(index, list.length - 1)];
    if (!row) return;
    setCursor(row);
    (row.querySelector("[data-open]") || row).focus({ focusVisible: true, preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }

  // ---- selection: form[data-bulk] with input[data-select], [data-select-all], .ace-bulk ----
  const boxes = (form) => all("input[data-select]", form);
  const chosen = (form) => boxes(form).filter((box) => box.checked);

  function countSelection(form) {
    const count = chosen(form).length;
    for (const box of boxes(form)) box.closest("[data-row]")?.classList.toggle("is-selected", box.checked);
    for (const head of all("[data-select-all]", form)) {
      head.checked = count > 0 && count === boxes(form).length;
      head.indeterminate = count > 0 && !head.checked;
    }
    for (const bar of all(".ace-bulk", form)) bar.hidden = count === 0;
    for (const button of all("[data-exactly]", form)) button.disabled = count !== Number(button.dataset.exactly);
    const owned = form.id ? all(`[form="${CSS.escape(form.id)}"][data-count-label]`) : [];
    for (const label of [...all("[data-count-label]", form), ...owned]) {
      const [one, many] = label.dataset.countLabel.split("|");
      label.textContent = (count === 1 ? one : many).replace("#", count);
    }
  }

  // The sentence about what the selection makes comes from the server.
  function selectionChanged(form) {
    countSelection(form);
    for (const told of all("[hx-trigger*='ace:selected']", form)) {
      if (chosen(form).length) window.htmx?.trigger(told, "ace:selected");
      else told.textContent = "";
    }
  }

  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-bulk]");
    if (!form) return;
    if (event.target.matches("[data-select-all]")) {
      for (const box of boxes(form)) box.checked = event.target.checked;
    }
    if (event.target.matches("[data-select-all], [data-select]")) selectionChanged(form);
  });

  document.addEventListener("click", (event) => {
    const form = event.target.closest("[data-select-none]")?.closest("form[data-bulk]");
    if (!form) return;
    event.preventDefault(); // without this script it resets the form, and with it a reason typed for it
    for (const box of boxes(form)) box.checked = false;
    selectionChanged(form);
  });

  // A row that somebody else decided has lost its tick.
  document.addEventListener("htmx:oobAfterSwap", (event) => {
    const form = event.target.closest?.("form[data-bulk]");
    if (form) selectionChanged(form);
  });

  // A key on a queue decides the selection, or the row under the cursor where nothing is selected.
  function selectForKey() {
    const row = cursor();
    const form = row?.closest("form[data-bulk]");
    if (!form || chosen(form).length) return;
    const box = row.querySelector("input[data-select]");
    if (box) box.checked = true;
    countSelection(form);
  }

  // ---- keys: an element says data-key="a" ----
  function press(key) {
    const row = cursor();
    const target = (row && all("[data-key]", row).find((e) => e.dataset.key === key && shown(e)));
    if (target) return target.click(), true;
    if ("arcp".includes(key)) selectForKey();
    const found = all("[data-key]").find((e) => e.dataset.key === key && shown(e) && !e.disabled);
    found?.click();
    return Boolean(found);
  }

  function handle(key) {
    if (key === "j" || key === "k") return move(key === "j" ? 1 : -1) || press(key);
    if (key === "x") {
      const box = cursor()?.querySelector("input[data-select]");
      box?.click();
      return Boolean(box);
    }
    if (key === "e" && cursor()?.dataset.edit) return location.assign(cursor().dataset.edit), true;
    if (key === "/") {
      const search = document.getElementById("q");
      search?.focus();
      return Boolean(search);
    }
    return key.length === 1 && press(key);
  }

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const typing = event.target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
    if (event.key === "Escape" && typing) return typing.blur();
    if (typing || document.querySelector("dialog:modal")) return;
    if (handle(event.key)) event.preventDefault();
  });

  // ---- dialogs: popovers without this script, modal with it ----
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[popovertarget]");
    const dialog = button && document.getElementById(button.getAttribute("popovertarget"));
    if (!(dialog instanceof HTMLDialogElement)) return;
    event.preventDefault();
    if (button.getAttribute("popovertargetaction") === "hide" || dialog.open) return dialog.close();
    for (const field of all("[data-required]", dialog)) field.required = true;
    dialog.showModal();
    dialog.querySelector("textarea, input")?.focus();
  });

  document.addEventListener("close", (event) => {
    // A field that belongs to a form outside must not hold back that form's other buttons.
    for (const field of all("[data-required]", event.target)) field.required = false;
  }, true);

  document.addEventListener("pointerdown", (event) => {
    if (event.target instanceof HTMLDialogElement && event.target.matches(":modal")) {
      const box = event.target.getBoundingClientRect();
      const inside = event.clientX >= box.left && event.clientX <= box.right
        && event.clientY >= box.top && event.clientY <= box.bottom;
      if (!inside) event.target.close();
    }
  });

  // ---- toasts: [data-toast] stands that many seconds ----
  function startToast(toast) {
    if (toast.dataset.started) return;
    toast.dataset.started = "1";
    const end = Date.now() + 1000 * Number(toast.dataset.toast);
    const counter = toast.querySelector("[data-countdown]");
    for (const button of all("[data-dismiss]", toast)) button.hidden = false;
    const timer = setInterval(() => {
      const left = Math.ceil((end - Date.now()) / 1000);
      if (counter) counter.textContent = Math.max(0, left);
      if (left > 0 || toast.matches(":hover, :focus-within") && !counter) return;
      clearInterval(timer);
      toast.remove();
    }, 250);
  }

  function say(text) {
    const toast = document.createElement("div");
    toast.className = "ace-toast ace-toast--error";
    toast.dataset.toast = "8";
    const words = document.createElement("p");
    words.textContent = text;
    toast.append(words);
    document.getElementById("toasts")?.append(toast);
    startToast(toast);
  }

  document.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest("[data-toast]")?.remove());

  // ---- copy: data-copy names the element whose text is copied ----
  function select(element) {
    const range = document.createRange();
    range.selectNodeContents(element);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  }

  // A page that came without TLS has no clipboard: what is to be copied is selected then.
  async function copy(source) {
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      return "Copied";
    } catch {
      select(source);
      return "Selected: copy it by hand";
    }
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    const source = button && document.querySelector(button.dataset.copy);
    if (!source) return;
    button.dataset.copied = await copy(source);
    const said = document.getElementById("said");
    if (said) said.textContent = button.dataset.copied;
    setTimeout(() => delete button.dataset.copied, 2500);
  });

  // ---- clocks: the same words as figures.py ----
  const offset = Date.parse(document.body.dataset.now || "") - Date.now() || 0;

  function age(passed) {
    const seconds = Math.abs(passed);
    const whole = passed < 0 ? Math.round : Math.floor;
    for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
      if (seconds >= size) return `${whole(seconds / size)} ${unit}`;
    }
    return `${Math.floor(seconds)} s`;
  }

  function tick() {
    if (document.hidden) return;
    for (const time of all("time[data-when]")) {
      const seconds = (Date.now() + offset - Date.parse(time.dateTime)) / 1000;
      const words = age(seconds);
      // The two clocks are a moment apart: what just happened is not to come.
      time.textContent = time.dataset.when === "short" ? words : seconds <= -1 ? `in ${words}` : `${words} ago`;
    }
  }

  // ---- forms ----
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-autosubmit]");
    // A year that is being typed goes through 0002 and 0020.
    const chosen = event.target.matches("[type=date]") ? event.target.value > "2000" : event.target.matches("select, [type=checkbox], [type=radio]");
    if (form && chosen) form.requestSubmit();
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.matches("[data-autosubmit]")) { // an address holds only what was chosen
      for (const field of all("select, input", form)) field.disabled = !field.value;
    } else if (form.method === "post" && !form.hasAttribute("hx-post")) {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "1";
    }
  });

  window.addEventListener("pageshow", () => {
    for (const form of all("form[data-sent]")) delete form.dataset.sent;
    for (const field of all("form[data-autosubmit] :disabled")) field.disabled = false;
  });

  // ---- htmx: a lost server is said once; of live regions live.js tells ----
  document.addEventListener("visibilitychange", tick);

  for (const name of ["htmx:sendError", "htmx:responseError"]) {
    document.addEventListener(name, (event) => {
      if (event.target.matches?.("[data-live]") || document.querySelector(".ace-toast--error")) return;
      const status = event.detail.xhr?.status;
      if (status === 401) return say("You are signed out. Reload the page and sign in.");
      say(status ? `The server refused that (${status}). Reload the page and try again.` : "The server does not answer. This page shows what was last known.");
    });
  }

  function prepare() {
    for (const button of all("[data-copy]")) button.hidden = false;
    for (const toast of all("[data-toast]")) startToast(toast);
    for (const form of all("form[data-bulk]")) countSelection(form);
    tick();
  }

  document.addEventListener("htmx:load", prepare);
  prepare();
  // On a phone a row of tabs is wider than the page.
  for (const tab of all(".ace-tabs [aria-current]")) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
  restoreCursor();
  setInterval(tick, 15000);
})();
