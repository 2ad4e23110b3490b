// What is typed into a card is kept in this browser until its answer is stored: by workflow, run ID and step key, and when
// the run was begun, which the form says (data-draft).  Never passwords, never files.
// OFFERED  What the server drew, found by resetting a copy.  A draft that says the same is none, and is not shown.
// GONE     When the answer is stored, the run deleted, after four weeks.
(() => {
  const PREFIX = "draft ", OLD = 28 * 24 * 3600 * 1000, FORM = "form[data-draft]";
  const SKIPPED = /^(hidden|password|file|submit|button|reset|image)$/;
  const keyOf = (form) => PREFIX + form.getAttribute("data-draft");  // a field may be called anything: form.name would be it
  const same = (some, others) => JSON.stringify(some) === JSON.stringify(others);

  const controls = (form) => [...form.querySelectorAll("input, select, textarea")].filter((control) =>
    control.name && !SKIPPED.test(control.type) && !/password/.test(control.autocomplete) && !control.matches(":disabled"));
  const ticked = (control) => control.type === "checkbox" || control.type === "radio";

  function values(form) {
    const found = new Map();
    for (const control of controls(form)) {
      const list = found.get(control.name) ?? [];
      found.set(control.name, list);
      if (ticked(control)) list.push(...(control.checked ? [control.value] : []));
      else if (control.options) list.push(...[...control.selectedOptions].map((option) => option.value));
      else list.push(control.value);
    }
    return [...found];
  }
  function put(form, fields) {
    const left = new Map(structuredClone(fields));
    for (const control of controls(form)) {
      const list = left.get(control.name);
      if (!list) continue;
      if (ticked(control)) control.checked = list.includes(control.value);
      else if (control.multiple && control.options) for (const option of control.options) option.selected = list.includes(option.value);
      else if (control.options) { if ([...control.options].some((option) => option.value === list[0])) control.value = list.shift(); }
      else if (list.length) control.value = list.shift();
    }
  }
  function offered(form) {
    const copy = form.cloneNode(true);
    HTMLFormElement.prototype.reset.call(copy);
    return values(copy);
  }

  // --- the browser's store, which may be full or shut

  function read(key) { try { return JSON.parse(localStorage.getItem(key)); } catch { return null; } }
  function write(key, draft) {
    try { localStorage.setItem(key, JSON.stringify(draft)); } catch { /* then it is kept as long as the page is open */ }
  }
  const keys = () => { try { return Object.keys(localStorage).filter((key) => key.startsWith(PREFIX)); } catch { return []; } };
  const drop = (key) => localStorage.removeItem(key);

  // --- keeping

  function keep(form) {
    const fields = values(form);
    // A refused card offers what was typed, and that is stored nowhere else.
    if (!form.hasAttribute("data-typed") && same(fields, offered(form))) { drop(keyOf(form)); unsay(form); }
    else write(keyOf(form), { at: Date.now(), fields });
  }
  for (const name of ["input", "change"]) document.addEventListener(name, ({ target }) => {
    const form = target.closest(FORM);
    if (form) keep(form);
  });

  // --- showing

  function adopt(form) {
    const first = offered(form), draft = read(keyOf(form));
    if (!draft && !same(values(form), first)) keep(form);  // typed before this script was here
    if (!draft || form.hasAttribute("data-typed")) return;
    put(form, draft.fields);
    if (!same(values(form), first)) say(form, first);
  }
  function say(form, first) {
    if (form.querySelector(".draft")) return;
    const line = document.createElement("span"), button = document.createElement("button");
    line.className = "draft hint";
    Object.assign(button, { type: "button", className: "quiet", textContent: "Drop it" });
    button.addEventListener("click", () => {
      put(form, first);
      drop(keyOf(form));
      unsay(form);
      controls(form)[0]?.focus();
    });
    line.append("Not stored yet ", button);
    (form.querySelector("footer") || form).append(line);
  }
  const unsay = (form) => form.querySelector(".draft")?.remove();
  const adoptAll = (root) => { for (const form of root.querySelectorAll(FORM)) adopt(form); };
  document.addEventListener("htmx:load", ({ detail }) => { detail.elt.matches(FORM) ? adopt(detail.elt) : adoptAll(detail.elt); });

  // --- done with

  document.addEventListener("htmx:beforeOnLoad", ({ detail: { xhr, requestConfig: { elt, path } } }) => {
    if (xhr.status >= 300) return;
    if (elt.matches(FORM)) { drop(keyOf(elt)); elt.removeAttribute("data-draft"); }  // a field that goes still says "change"
    const there = new URL(path, location), [, flow, act] = there.pathname.split("/");
    if (act === "delete") for (const key of keys()) if (same(runOf(key), [flow, there.searchParams.get("id")])) drop(key);
  });
  const runOf = (key) => JSON.parse(key.slice(PREFIX.length)).slice(0, 2);

  // A form that went the plain way, before htmx was there: the page that follows tells what became of it.
  document.addEventListener("submit", ({ target, defaultPrevented }) => {
    if (!defaultPrevented && target.matches(FORM)) write(keyOf(target), { at: Date.now(), fields: values(target), sent: true });
  });
  document.addEventListener("DOMContentLoaded", () => {
    const here = [location.pathname.split("/")[1], new URLSearchParams(location.search).get("id")];
    const open = [...document.querySelectorAll(FORM)].map(keyOf);
    for (const key of keys()) {
      const draft = read(key);
      const stored = draft?.sent && same(runOf(key), here) && !open.includes(key);
      if (!draft || stored || Date.now() - draft.at > OLD) drop(key);
      else if (draft.sent && open.includes(key)) write(key, { ...draft, sent: false });
    }
    adoptAll(document);
  });
})();
