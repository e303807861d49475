/**
 * The console: upload with preview, live file status, tables with checks, rejects and maintenance, and
 * queries. It has no build step.
 */
import { call, callText, follow, hasKey, useKey } from "./api.js";
import { byId, element, guarded, refreshTimes } from "./dom.js";
import { showFile } from "./file-page.js";
import { changeFile, changesSoFar, drawFiles, FILES_SHOWN_MAX, hasChangedSince, noteFile, onFile } from "./files.js";
import { showProblems } from "./problems.js";
import { offerTables, showQuery } from "./query.js";
import { refreshList, refreshTable, showTables, tableChanged } from "./tables.js";
import { fileStatusChanged, knowTables } from "./upload/upload.js";

const TIMES_EVERY_MS = 5_000;
const TABLES_EVERY_MS = 10_000;
/** A table's page queries the warehouse, so it is refreshed rarely; file events refresh it immediately. */
const TABLE_EVERY_MS = 60_000;
const VIEWS = { upload: "Upload", files: "Files", tables: "Tables", problems: "Problems", query: "Query" };

/** #view/name/part */
function place() {
  const [view, name = "", part = ""] = location.hash.slice(1).split("/");
  try {
    return { view: view in VIEWS ? view : "upload", name: decodeURIComponent(name), part };
  } catch {
    return { view: "upload", name: "", part: "" };
  }
}

function show() {
  const { view, name, part } = place();
  for (const each of Object.keys(VIEWS)) byId(`view-${each}`).hidden = each !== view;
  for (const link of document.querySelectorAll(".bar nav a")) {
    if (link.getAttribute("href") === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${name || VIEWS[view]} · Tributary`;
  if (view === "tables") void showTables(name, part);
  if (view === "files") void showFile(name);
  drawFiles();
  if (view === "problems") void showProblems();
  if (view === "query") showQuery(name);
}

addEventListener("hashchange", () => {
  if (location.hash === "#main") return;
  show();
  byId(`${place().view}-title`).focus({ preventScroll: true });
  scrollTo(0, 0);
});

byId("main").addEventListener("click", (event) => {
  // A link to the current view does not change the hash, so no `hashchange` fires.
  if (event.target.closest?.("a")?.getAttribute("href") === location.hash) show();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});

// API key

document.addEventListener("key-needed", ({ detail }) => {
  const form = byId("key-form");
  if (hasKey()) byId("key-hint").textContent = `${detail}. Try another key.`;
  if (!form.hidden) return;
  form.hidden = false;
  byId("key").focus();
});
document.addEventListener("key-changed", () => {
  byId("forget-key").hidden = !hasKey();
  void start();
  show();
});
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  byId("key-form").hidden = true;
  useKey(byId("key").value.trim());
  byId("key").value = "";
});
byId("forget-key").addEventListener("click", () => {
  useKey("");
  location.reload(); // removes the data that was read with the key
});
byId("forget-key").hidden = !hasKey();

byId("metrics").addEventListener("click", (event) => {
  if (!hasKey()) return;
  event.preventDefault();
  void guarded(byId("metrics-text"), async () => {
    byId("metrics-text").replaceChildren(element("pre", { tabindex: "0" }, await callText("/metrics")));
    byId("metrics-text").firstChild.focus();
  });
});

// Live status

onFile((file) => {
  fileStatusChanged(file);
  tableChanged(file);
});

async function start() {
  const problem = element("div");
  await guarded(problem, async () => {
    const since = changesSoFar();
    const [{ files }, { tables }] = await Promise.all([call(`/v1/files?limit=${FILES_SHOWN_MAX}`), call("/v1/tables")]);
    for (const file of files.reverse()) if (!hasChangedSince(file, since)) noteFile(file);
    knowTables(tables);
    offerTables(tables);
    drawFiles({ allLoaded: true });
  });
  if (!problem.firstChild || !byId("key-form").hidden) return;
  byId("live-text").textContent = problem.textContent;
}

void follow(changeFile, (connected) => {
  byId("live").classList.toggle("on", connected);
  byId("live-text").textContent = connected ? "live" : "not connected";
  if (connected) void start();
});
setInterval(refreshTimes, TIMES_EVERY_MS);
const whileShown = (view, work, everyMs) =>
  setInterval(() => {
    if (!document.hidden && place().view === view) void work();
  }, everyMs);
whileShown("tables", refreshList, TABLES_EVERY_MS);
whileShown("tables", refreshTable, TABLE_EVERY_MS);
whileShown("problems", showProblems, TABLE_EVERY_MS);
show();
