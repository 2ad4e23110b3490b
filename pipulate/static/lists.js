// Lists of tasks and profiles. Drag to sort: the order is sent when a row is dropped; after each swap the list is made sortable again.
(() => {
  function sortable() {
    for (const list of document.querySelectorAll("[data-sort]")) {
      if (list.dataset.sortable) continue;
      list.dataset.sortable = "1";
      Sortable.create(list, {
        handle: ".handle", animation: 120,
        onEnd: () => htmx.ajax("POST", list.dataset.sort, {
          target: list, swap: "outerHTML",
          values: { ids: [...list.querySelectorAll("[data-id]")].map((row) => row.dataset.id) },
        }),
      });
    }
  }
  // What was confirmed in the chat, the list shows at once. The confirmed card comes by the socket, and takes the place
  // of the form that asked: of a form that is gone, no afterRequest is told.
  let asked = "";
  document.addEventListener("htmx:beforeRequest", ({ target, detail }) => {
    if (/^\/chat\/(yes|undo)\//.test(detail.requestConfig.path)) asked = target.closest("li[id]").id;
  });
  document.addEventListener("htmx:wsAfterMessage", ({ detail }) => {
    if (!asked || !detail.message.includes(`id="${asked}"`)) return;
    asked = "";
    for (const list of document.querySelectorAll("[data-sort]")) {
      htmx.ajax("GET", location.href, { target: list, select: "#" + list.id, swap: "outerHTML" });
    }
  });
  document.addEventListener("DOMContentLoaded", sortable);
  document.addEventListener("htmx:afterSwap", sortable);
})();
