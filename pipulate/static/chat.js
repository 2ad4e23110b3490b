// The chat panel: Enter sends, drafts are kept, the list stays at its end, code can be copied.
(() => {
  const list = () => document.getElementById("messages");
  const box = () => document.getElementById("chat-text");
  let atEnd = true;

  document.addEventListener("DOMContentLoaded", () => {
    const text = box();
    if (!text) return;
    text.value = sessionStorage.getItem("draft") || "";
    text.addEventListener("input", () => sessionStorage.setItem("draft", text.value));
    text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); text.form.requestSubmit(); }
    });
    end();
  });
  let sent = "";
  document.addEventListener("htmx:beforeRequest", ({ target }) => { if (target.id === "chat-form") sent = box().value; });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.target.id !== "chat-form" || !event.detail.successful) return;
    if (box().value === sent) { // else the next message is being typed
      box().value = "";
      sessionStorage.removeItem("draft");
    }
    atEnd = true;
    end();
  });

  // The newest message stays in view, unless the user has scrolled up to read.
  function end() { const l = list(); if (l && atEnd) l.scrollTop = l.scrollHeight; }
  document.addEventListener("scroll", (event) => {
    if (event.target.id === "messages") atEnd = event.target.scrollTop + event.target.clientHeight > event.target.scrollHeight - 40;
  }, true);
  // In the next frame, which is laid out anyway: asked at once, each piece of an answer would be laid out by itself.
  document.addEventListener("htmx:oobAfterSwap", () => requestAnimationFrame(end));
  document.addEventListener("htmx:wsAfterMessage", end);
  document.addEventListener("htmx:wsClose", () => document.dispatchEvent(new CustomEvent("pipulate:lost")));

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const code = button.parentElement.querySelector("code");
    try { await navigator.clipboard.writeText(code.textContent); button.textContent = "Copied"; } catch { button.textContent = "Select and copy"; }
  });
})();
