// With --dev: a workflow file that was saved shows on the open page, and what was typed stays.
// KEPT     by drafts.js, of cards. What nobody keeps (files, passwords, other forms) is not thrown away: a line offers to.
// PATIENT  While something is sent, or typed, or the finder is open, the page waits.
const $ = (selector) => document.querySelector(selector), $$ = (selector) => [...document.querySelectorAll(selector)];
const PACE = 700, PAUSE = 1000, SENDING = 5000;
let sent = 0, until = 0;  // requests on their way; when to look again

const wait = (time) => { until = Math.max(until, Date.now() + time); };
document.addEventListener("input", () => wait(PAUSE), true);
document.addEventListener("submit", ({ defaultPrevented }) => { if (!defaultPrevented) wait(SENDING); });
const posts = ({ detail }) => detail.requestConfig?.verb !== "get";
document.addEventListener("htmx:beforeSend", (event) => { if (posts(event)) sent += 1; });
document.addEventListener("htmx:afterRequest", (event) => { if (posts(event)) sent = Math.max(0, sent - 1); });

function changed(control) {
  if (control.type === "file") return control.files.length > 0;
  if (/^(checkbox|radio)$/.test(control.type)) return control.checked !== control.defaultChecked;
  if (!control.options) return control.value !== control.defaultValue;
  const chosen = (select) => [...select.selectedOptions].map((option) => option.value).join("\n");
  return chosen(control) !== chosen(control.cloneNode(true));
}
const kept = (control) => control.type === "hidden" || (control.closest("form[data-draft]") && !/^(password|file)$/.test(control.type));
const unkept = () => $$("#main :is(input, select, textarea), #chat details[open] textarea").some((control) => changed(control) && !kept(control));

function offer() {
  if ($("#saved")) return;
  const line = document.createElement("p"), button = document.createElement("button");
  Object.assign(line, { id: "saved", className: "note", textContent: "A workflow file was saved. " });
  Object.assign(button, { type: "button", className: "quiet", textContent: "Reload, and lose what is typed here" });
  line.setAttribute("role", "status");
  button.addEventListener("click", () => location.reload());
  line.append(button);
  $("#main").prepend(line);
}

async function look() {
  if (document.hidden || sent || Date.now() < until || $("dialog[open]")) return;
  const reply = await fetch("/static/files", { cache: "no-store" }).catch(() => null);
  if (!reply?.ok) return;
  const stamp = await reply.text();
  if (stamp === document.documentElement.dataset.files || stamp === sessionStorage.getItem("files")) return;
  if (sent || Date.now() < until) return;
  if (unkept()) return offer();
  sessionStorage.setItem("files", stamp);  // once for each
  location.reload();
}
setInterval(look, PACE);
document.addEventListener("visibilitychange", look);
