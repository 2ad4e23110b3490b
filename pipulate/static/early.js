// What is sent, or pressed, before htmx is there waits for it: a quick user sees no difference.  This script is small and
// is not deferred, so it is there before any form is, also when the server is lost before the others came.  Without htmx a
// form goes the plain way, if the server answers: else the browser's own page of errors would stand where the form was.
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

  // A lost server: say so, keep what was typed, look again until it answers.
  let looking = 0;
  const answers = () => fetch("/static/icon.svg", { cache: "no-store" }).then(() => true, () => false);
  function lost() {
    const line = document.querySelector("#offline");
    if (!line || looking) return;
    line.hidden = false;
    looking = setInterval(async () => {
      if (!(await answers()) || !looking) return;
      clearInterval(looking);
      looking = 0;
      line.hidden = true;
      document.dispatchEvent(new CustomEvent("pipulate:back"));
    }, 1000);
  }
  for (const sign of ["htmx:sendError", "htmx:timeout", "pipulate:lost"]) document.addEventListener(sign, lost);

  let asking = false, sure = false;
  async function plainly(event) {
    const { target, submitter } = event;
    if (sure || !target.closest(HELD)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (asking || looking) return;
    asking = true;
    sure = await answers();
    asking = false;
    if (sure) HTMLFormElement.prototype.requestSubmit.call(target, submitter);
    else lost();
    sure = false;
  }
})();
