// The view in the address's hash, so that it can be kept and sent: #layout=force&colour=depth&at=500,500,3&page=https://...

/** What the hash asks for: settings for Viewer, plus `at` [x, y, zoom] and `url` of the chosen page. */
export function read(graph) {
  const query = new URLSearchParams(location.hash.slice(1));
  const wanted = {};
  if (["sections", "force"].includes(query.get("layout"))) wanted.layout = query.get("layout");
  for (const key of ["colour", "size"]) {
    const column = graph.column(query.get(key));
    if (column && column.kind !== "text" && (key === "colour" || column.kind === "number")) wanted[key] = column.name;
  }
  if (/^\d+$/.test(query.get("depth") ?? "")) wanted.depth = Number(query.get("depth"));
  if (query.has("hide")) wanted.hidden = new Set(query.getAll("hide"));
  if (query.has("site-wide")) wanted.siteWide = true;
  if (query.has("table")) wanted.table = true;
  const at = (query.get("at") ?? "").split(",").map(Number);
  return { settings: wanted, at: at.length === 3 && at.every(Number.isFinite) ? at : null, url: query.get("page") };
}

/** Write the present view into the hash, without a new entry in the history. */
export async function write(viewer) {
  const { settings, stage, texts } = viewer;
  const { camera } = stage;
  const query = new URLSearchParams();
  query.set("layout", settings.layout);
  if (settings.colour) query.set("colour", settings.colour);
  if (settings.size) query.set("size", settings.size);
  if (settings.depth !== null) query.set("depth", settings.depth);
  for (const label of settings.hidden) query.append("hide", label);
  if (settings.siteWide) query.set("site-wide", "1");
  if (settings.table) query.set("table", "1");
  if (camera.moved) {
    const [x, y] = camera.toPlace(...camera.middle);
    query.set("at", [x.toFixed(1), y.toFixed(1), camera.zoom.toFixed(2)].join(","));
  }
  if (settings.page >= 0) query.set("page", (await texts.urls([settings.page]))[0]);
  history.replaceState(history.state, "", `#${query}`);
}
