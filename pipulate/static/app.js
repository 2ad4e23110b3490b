// The few things HTML and htmx cannot say by themselves: focus, announcements, the finder, the menus.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const announce = (text) => { const line = $("#announce"); if (line && line.textContent !== text) line.textContent = text; };

  // The window's profile (web/windows.py): each request names it, and each page that the tab comes to shows it.
  const CARRIER = "pipulate-profile", shown = $("#menu")?.dataset.profile, here = new URL(location), kept = sessionStorage.getItem(CARRIER);
  if (shown && kept && kept !== shown && !here.searchParams.has(CARRIER)) {
    here.searchParams.set(CARRIER, kept);
    location.replace(here);
  } else if (shown) {
    sessionStorage.setItem(CARRIER, shown);
    if (here.searchParams.has(CARRIER)) {
      here.searchParams.delete(CARRIER);
      history.replaceState(history.state, "", here);
    }
  }
  document.addEventListener("htmx:configRequest", ({ detail }) => { if (shown) detail.headers[CARRIER] = shown; });
  document.addEventListener("htmx:afterRequest", ({ detail: { xhr } }) => {
    const note = $("#whose"), text = decodeURIComponent(xhr.getResponseHeader("pipulate-note") || "");
    if (note && xhr.status && note.textContent !== text) note.textContent = text;
  });
  document.addEventListener("submit", ({ target }) => {  // a form that came in a fragment, or that names no address
    const url = new URL(target.getAttribute("action") || location, location);
    const method = target.getAttribute("method") || "";  // target.method may be a field of the form
    if (!shown || url.origin !== location.origin || method.toLowerCase() !== "post") return;
    url.searchParams.set(CARRIER, shown);
    target.setAttribute("action", url);
  }, true);

  // A hand-written page keeps the run it is on (pages/classic.py), whatever another tab does: each request names it.
  const RUN = "pipulate-run", main = $("#main"), memory = `${RUN} ${location.pathname}`;
  let run = main?.dataset.run;
  function keep(id) {
    const url = new URL(location);
    run = id;
    sessionStorage.setItem(memory, id);
    url.searchParams.delete(RUN);
    if (!id) url.searchParams.delete("id"); else if ("front" in main.dataset) url.searchParams.set("id", id);
    history.replaceState(history.state, "", url);
  }
  if (run !== undefined) {
    const url = new URL(location), mine = sessionStorage.getItem(memory);
    const named = (address) => { const url = new URL(address, location); url.searchParams.set(RUN, run); return url; };
    if ("chosen" in main.dataset || url.searchParams.has("id") || url.searchParams.has(RUN)) keep(run);
    else if (mine !== null && mine !== run) { run = mine; location.replace(named(location)); }
    document.addEventListener("htmx:configRequest", ({ detail }) => { detail.headers[RUN] = encodeURIComponent(run); });
    document.addEventListener("htmx:beforeOnLoad", ({ detail: { xhr } }) => {
      const chosen = xhr.getResponseHeader(RUN);
      if (chosen !== null) keep(decodeURIComponent(chosen));
    });
    document.addEventListener("submit", ({ target, defaultPrevented }) => {  // by a form without htmx
      if (defaultPrevented) return;
      if (target.method === "post") target.action = named(target.getAttribute("action") || location);
      else { target.insertAdjacentHTML("beforeend", `<input type="hidden" name="${RUN}">`); target.lastElementChild.value = run; }
    });
    main.addEventListener("click", ({ target }) => {
      const link = target.closest("a[href]");
      if (link && link.origin === location.origin && !link.getAttribute("href").startsWith("#")) link.href = named(link.href);
    });
  }

  // The new card is announced, and its first control (or its title) gets the focus, unless somebody has it: a quick user types already.
  function arrive(card) {
    if (!card) return;
    const title = $("h2, .label", card);
    const target = $("[aria-invalid=true]", card) || $("input:not([type=hidden]), select, textarea", card) || title;
    const error = $("[role=alert]", card);
    announce((error ? error.textContent + " " : "") + (title ? title.textContent : ""));
    if (target && document.activeElement === document.body) { card.scrollIntoView({ block: "nearest" }); target.focus({ preventScroll: true }); }
  }
  document.addEventListener("DOMContentLoaded", () => {
    arrive($("[data-focus]") || $("#chain [data-current]"));
    connectFinder();
  });
  let before = "";
  document.addEventListener("htmx:beforeSwap", (event) => {
    // After a card was answered, its successor is the place to be; progress lines must not take the focus away.
    const { target, xhr } = event.detail;
    before = target && /^(card\d+|chain)$/.test(target.id) ? target.id : "";
    if (before && target.contains(document.activeElement)) document.activeElement.blur();  // else all is laid out as it goes
    if ($("#alert").firstChild) $("#alert").replaceChildren();
    const address = xhr.getResponseHeader("pipulate-address");
    if (address) requestAnimationFrame(() => setTimeout(push, 0, address));  // first the card, then the address
  });
  function push(address) {  // as htmx does by HX-Push-Url, which takes time before anything is shown
    if (!history.state?.htmx) history.replaceState({ htmx: true }, "");
    history.pushState({ htmx: true }, "", address);
  }
  document.addEventListener("htmx:afterSettle", () => {
    if (!before) return;
    const refused = $("#refused");
    const current = $("[data-focus]") || $("#chain [data-current]");
    before = "";
    arrive(current);
    if (refused) { refused.scrollIntoView({ block: "nearest" }); announce(refused.textContent); }
  });

  document.addEventListener("pipulate:back", () => announce("The server answers again."));  // lost: see early.js
  // A form that could not be sent is sent again by the user: its button must work.
  document.addEventListener("htmx:sendError", (event) => {
    for (const button of event.target.querySelectorAll ? event.target.querySelectorAll("[disabled][type=submit]") : []) button.disabled = false;
  });
  // A running job's line stops asking when one request fails; ask again once the server is back.
  document.addEventListener("pipulate:back", () => { if ($(".progress")) location.reload(); });

  // What was replaced while it asked has no place for its answer: what it looked at is shown anew by then; of what it did, the page tells.
  const asking = new WeakMap();
  document.addEventListener("htmx:beforeSend", ({ detail: { elt, requestConfig, xhr } }) => asking.set(elt, { xhr, verb: requestConfig.verb }));
  document.addEventListener("htmx:beforeCleanupElement", ({ target }) => {
    const { xhr, verb } = asking.get(target) || {};
    if (!xhr || xhr.readyState === XMLHttpRequest.DONE || !target.closest("#main")) return;
    xhr.onload = verb === "get" ? null : () => location.reload();
  });

  // A slider says which number it is at.
  document.addEventListener("htmx:load", ({ target }) => {
    for (const slider of target.querySelectorAll("[type=range]")) {
      const told = document.createElement("span"); // not <output>, which would take the slider's label
      const tell = () => { told.textContent = slider.value; };
      told.className = "at";
      told.ariaHidden = "true"; // whoever hears the slider hears its number
      slider.before(told);
      slider.addEventListener("input", tell);
      tell();
    }
  });

  // Ctrl+K
  function connectFinder() {
    const finder = $("#finder");
    if (!finder) return;
    const input = $("input", finder);
    const open = () => { if (!finder.open) finder.showModal(); input.select(); };
    document.addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); open(); }
    });
    for (const button of document.querySelectorAll("[data-find]")) button.addEventListener("click", open);
    finder.addEventListener("click", (event) => { if (event.target === finder) finder.close(); });
    // A key means the answer to what is typed: it waits until that is the one on show.
    let answered = null, pressed = [];
    const press = (key) => {
      const links = [...finder.querySelectorAll("#found a")];
      const at = links.indexOf(document.activeElement);
      if (key === "ArrowDown") (links[at + 1] || links[0] || input).focus();
      if (key === "ArrowUp") (at > 0 ? links[at - 1] : input).focus();
      if (key === "Enter") links[Math.max(at, 0)]?.click();
    };
    finder.addEventListener("keydown", (event) => {
      const onLink = event.key === "Enter" && document.activeElement !== input;
      if (!["ArrowDown", "ArrowUp", "Enter"].includes(event.key) || onLink || event.isComposing) return;
      event.preventDefault();
      if (answered === input.value) press(event.key); else pressed.push(event.key);
    });
    input.addEventListener("input", () => { pressed = []; });
    finder.addEventListener("close", () => { pressed = []; });
    finder.addEventListener("htmx:afterSwap", (event) => {
      answered = event.detail.requestConfig.parameters.q;
      if (answered === input.value) pressed.splice(0).forEach(press);
    });
  }

  // Menu and chat: drawers where the screen is narrow; where it is wide, the chat can be put away, and stays so.
  const sides = { menu: "#menu", chat: "#chat" }, root = document.documentElement;
  const isDrawer = (side) => getComputedStyle(side).position === "fixed";
  const isOpen = (side) => isDrawer(side) ? side.classList.contains("open") : root.dataset[side.id] !== "closed";
  const told = () => { for (const button of document.querySelectorAll("[data-toggle]")) button.setAttribute("aria-expanded", isOpen($(sides[button.dataset.toggle]))); };
  function toggle(side, open) {
    if (isDrawer(side)) {
      side.classList.toggle("open", open);
      document.body.classList.toggle(`${side.id}-open`, open);
      $("#main").inert = Boolean($("#menu.open, #chat.open"));
      const target = open ? $("input:not([type=hidden]), textarea, a, button", side) : $(`[data-toggle=${side.id}]`);
      if (target) target.focus();
    } else {
      root.dataset[side.id] = open ? "open" : "closed";
      localStorage.setItem(side.id, root.dataset[side.id]);
    }
    told();
  }
  root.dataset.chat = localStorage.getItem("chat") || "open";
  document.addEventListener("DOMContentLoaded", told);
  window.addEventListener("resize", told);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-toggle]"), side = button && $(sides[button.dataset.toggle]);
    for (const other of document.querySelectorAll("#menu.open, #chat.open")) if (other !== side && !other.contains(event.target)) toggle(other, false);
    if (side) toggle(side, !isOpen(side));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") for (const side of document.querySelectorAll("#menu.open, #chat.open")) toggle(side, false);
  });

  if (root.dataset.files) import("/static/dev.js");
})();
