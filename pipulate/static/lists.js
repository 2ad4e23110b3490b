// Drag to sort: the order is sent when a row is dropped, and again after each swap the list is made sortable.
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
  document.addEventListener("DOMContentLoaded", sortable);
  document.addEventListener("htmx:afterSwap", sortable);
})();
