// What is sent, or pressed, before htmx is there waits for it: a quick user sees no difference.  This script is small and
// is not deferred, so it is there before any form is.  Without htmx (it did not come through) a form goes the plain way, if
// the server answers: else the browser's own page of errors would stand where the form was.
(() => {
  const HELD = "[hx-get], [hx-post], [hx-put], [hx-patch], [hx-delete]";
  const held = new Map(); // element -> how it is sent; pressed twice, it is sent once
  const hold = (event, element, again) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!held.has(element)) held.set(element, again);
  };
  function submit(event) {
    const { target, submitter } = event;
    const again = () => (submitter ? submitter.click() : HTMLFormElement.prototype.requestSubmit.call(target));
    if (target.closest(HELD)) hold(event, target, again);
  }
  function click(event) {
    const pressed = event.target.closest(HELD);
    if (pressed?.matches("a, button")) hold(event, pressed, () => pressed.click());
  }
  document.addEventListener("submit", submit, true);
  document.addEventListener("click", click, true);
  addEventListener("DOMContentLoaded", () => { // on the window: htmx listens on the document, and has taken the forms
    document.removeEventListener("submit", submit, true);
    document.removeEventListener("click", click, true);
    if (!window.htmx) document.addEventListener("submit", plainly, true);
    for (const [element, again] of held) if (element.isConnected) again();
  });
  const answers = () => fetch("/static/icon.svg", { cache: "no-store" }).then(() => true, () => false);
  let sure = false;
  async function plainly(event) {
    const { target, submitter } = event, line = document.querySelector("#offline");
    if (sure || !line || !target.closest(HELD)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!line.hidden) return;
    if (await answers()) {
      sure = true;
      HTMLFormElement.prototype.requestSubmit.call(target, submitter);
      sure = false;
      return;
    }
    line.hidden = false;
    const looking = setInterval(async () => { if (await answers()) { clearInterval(looking); line.hidden = true; } }, 1000);
  }
})();
