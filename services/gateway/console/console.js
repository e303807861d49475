/** The console: upload with preview, files live, tables, rejects with replay, checks and maintenance, a query box. */
import { call, follow, post, preview, query, upload, useKey } from "./api.js";
import { ago, byId, dataTable, element, problemCard, state, took } from "./dom.js";

const FILES_SHOWN_MAX = 200;
const files = new Map();

const views = ["upload", "files", "tables", "query"];

function show() {
  const [view, table] = decodeURIComponent(location.hash.slice(1)).split("/");
  const current = views.includes(view) ? view : "upload";
  for (const name of views) byId(`view-${name}`).hidden = name !== current;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#${current}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (current === "tables") void guarded(byId("table-detail"), () => showTables(table));
}

/** Runs `work`; a problem is shown in `place` with its remedy. A missing key asks for one. */
async function guarded(place, work) {
  try {
    await work();
  } catch (problem) {
    if (problem.status === 401) byId("key-form").hidden = false;
    place.replaceChildren(problemCard(problem));
  }
}

// Upload

function picked(list) {
  const table = byId("table-name");
  if (!table.value && list[0]) table.value = list[0].name.replace(/\..*$/, "").toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^[^a-z]+/, "");
  byId("picked").replaceChildren(...[...list].map(pickedFile));
  if (list[0]) void guarded(byId("preview"), () => showPreview(list[0]));
}

function pickedFile(file) {
  const progress = element("progress", { max: "1", value: "0", "aria-label": `Progress of ${file.name}`, hidden: true });
  const answer = element("div", { role: "status" });
  const button = element("button", { on: { click: () => void send() } }, `Upload ${file.name}`);
  const send = async () => {
    button.disabled = true;
    progress.hidden = false;
    try {
      const status = await upload(file, byId("table-name").value, (share) => (progress.value = share));
      noteFile(status);
      answer.replaceChildren(state(status.status), " — its way into the table shows under ", element("a", { href: "#files" }, "Files"));
    } catch (problem) {
      if (problem.status === 401) byId("key-form").hidden = false;
      answer.replaceChildren(problemCard(problem));
      button.disabled = false;
    }
  };
  return element("li", { class: "card" }, button, " ", element("span", { class: "hint" }, `${(file.size / 1024).toFixed(1)} KB`), progress, answer);
}

async function showPreview(file) {
  const place = byId("preview");
  place.replaceChildren(element("p", { class: "hint" }, "looking at the file …"));
  const seen = await preview(file, byId("table-name").value);
  const columns = seen.columns ?? [];
  place.replaceChildren(
    element("h3", {}, `What ${file.name} holds`),
    element("p", { class: "hint" }, dialectText(seen)),
    diffText(seen.diff),
    dataTable("Columns", ["column", "type", "header"], columns.map(({ name, type, header }) => [name, type, header])),
    element("h3", {}, "First rows"),
    dataTable("First rows", columns.map(({ name }) => name), (seen.rows ?? []).slice(0, 8)),
    ...rejectsPart("Rows that would be rejected", seen.rejects ?? []),
  );
}

const dialectText = ({ dialect = {}, encoding }) =>
  [encoding && `encoding ${encoding}`, ...Object.entries(dialect).map(([key, value]) => `${key} ${JSON.stringify(value)}`)].filter(Boolean).join(" · ");

function diffText(diff) {
  const parts = Object.entries(diff ?? {}).filter(([, list]) => Array.isArray(list) && list.length > 0);
  if (parts.length === 0) return null;
  return element("p", {}, parts.map(([kind, list]) => element("span", {}, `${kind}: ${list.map((item) => item.name ?? item).join(", ")}. `)));
}

const rejectsPart = (title, rejects) =>
  rejects.length === 0
    ? []
    : [element("h3", {}, title), dataTable(title, ["line", "column", "reason", "what", "raw"], rejects.map((reject) => [
        reject.line, reject.column, reject.reason, reject.message, element("span", { class: "raw" }, reject.raw)]))];

// Files

function noteFile(file) {
  files.delete(file.fileId);
  files.set(file.fileId, file);
  if (files.size > FILES_SHOWN_MAX) files.delete(files.keys().next().value);
  drawFilesSoon();
}

let drawing = false;
function drawFilesSoon() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    const newest = [...files.values()].sort((a, b) => (a.fileId < b.fileId ? 1 : -1));
    byId("file-rows").replaceChildren(...newest.map(fileRow));
  });
}

const fileRow = (file) =>
  element("tr", {},
    element("td", { title: file.fileId }, file.sourceFile),
    element("td", {}, element("a", { href: `#tables/${file.table}` }, file.table)),
    element("td", { title: file.error ? `${file.error.message} → ${file.error.remedy}` : null }, state(file.status), file.error ? ` ${file.error.code}` : ""),
    element("td", { class: "n" }, String(file.rowsCommitted ?? file.rowsRead ?? "–")),
    element("td", { class: "n" }, file.rowsRejected ? element("a", { href: `#tables/${file.table}` }, String(file.rowsRejected)) : "0"),
    element("td", { class: "n" }, took(file.durations?.totalMs)),
    element("td", {}, ago(file.receivedAt)));

// Tables

async function showTables(selected) {
  const { tables } = await call("/v1/tables");
  byId("table-list").replaceChildren(...tables.map(({ table }) => element("option", { value: table })));
  byId("table-rows").replaceChildren(...tables.map((table) =>
    element("tr", {},
      element("td", {}, element("a", { href: `#tables/${table.table}` }, table.table)),
      element("td", {}, ago(table.lastCommitAt)),
      element("td", { class: "n" }, String(table.lag?.files ?? 0)),
      element("td", { class: "n" }, (table.lag?.oldestSeconds ?? 0).toFixed(1)))));
  if (selected) await showTable(selected);
  else byId("table-detail").replaceChildren();
}

async function showTable(name) {
  const path = `/v1/tables/${encodeURIComponent(name)}`;
  const [table, rejects, checks, maintenance] = await Promise.all([
    call(path),
    call(`${path}/rejects?limit=20`).catch(() => ({ rejects: [] })),
    history("_quality_results", "executed_at, check_name, status, failing_rows, total_rows, details", name),
    history("_maintenance_log", "executed_at, operation, status, files_before, files_after, details", name),
  ]);
  const outcome = element("div", { role: "status" });
  const act = (label, suffix, body) => element("button", { class: "quiet", on: { click: () => void guarded(outcome, async () => {
    outcome.textContent = `${label} …`;
    outcome.replaceChildren(resultCard(label, await post(path + suffix, body)));
  }) } }, label);
  byId("table-detail").replaceChildren(
    element("h3", {}, name),
    element("p", { class: "hint" }, `${table.rowCount ?? 0} rows · newest file ${table.freshness?.lastIngestedAt ?? "–"} · ${table.contract?.writeMode ?? "replace"}${table.contract?.key?.length ? ` on ${table.contract.key.join(", ")}` : ""}`),
    element("p", {}, act("Run checks", "/checks/run", {}), " ", act("Run maintenance", "/maintenance/run", {}), " ", act("Replay rejected files", "/rejects/replay", {}), " ", act("Show what a replay would do", "/replay", { dryRun: true })),
    outcome,
    dataTable(`Columns of ${name}`, ["column", "type", "header"], (table.columns ?? []).map((column) => [column.name, column.type, column.header])),
    ...rejectsPart("Rejected rows", rejects.rejects),
    ...historyPart("Checks", checks),
    ...historyPart("Maintenance", maintenance),
    element("details", {}, element("summary", {}, "Contract"), element("pre", {}, JSON.stringify(table.contract, null, 2))),
  );
}

function resultCard(label, result) {
  const checks = result.results ?? [];
  return element("div", { class: "card" }, element("strong", {}, `${label}: `), state(result.status ?? "done"),
    checks.length > 0
      ? dataTable(label, Object.keys(checks[0]), checks.map((check) => Object.values(check)))
      : element("pre", {}, JSON.stringify(result, null, 2)));
}

/** The table is in a name chosen from the gateway's own list, so that it needs no quoting beyond doubling quotes. */
const history = (log, columns, table) =>
  query(`SELECT ${columns} FROM ${log} WHERE table_name = '${table.replaceAll("'", "''")}' ORDER BY executed_at DESC LIMIT 20`).catch(() => ({ columns: [], rows: [] }));

const historyPart = (title, { columns, rows }) =>
  rows.length === 0 ? [] : [element("h3", {}, title), dataTable(title, columns.map(({ name }) => name), rows)];

// Query

async function runQuery() {
  const place = byId("query-result");
  place.replaceChildren(element("p", { class: "hint" }, "running …"));
  const startedMs = performance.now();
  const { columns, rows, truncated } = await query(byId("sql").value);
  place.replaceChildren(
    element("p", { class: "hint" }, `${rows.length} rows${truncated ? " (more were cut off)" : ""} in ${Math.round(performance.now() - startedMs)} ms`),
    dataTable("Result", columns.map(({ name, type }) => `${name} (${type})`), rows));
}

// Wiring

addEventListener("hashchange", show);
byId("picker").addEventListener("change", (event) => picked(event.target.files));
byId("table-name").addEventListener("change", () => byId("picker").files[0] && void guarded(byId("preview"), () => showPreview(byId("picker").files[0])));
const drop = byId("drop");
for (const [event, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  drop.addEventListener(event, (happened) => {
    happened.preventDefault();
    drop.classList.toggle("over", over);
    if (event === "drop") picked(happened.dataTransfer.files);
  });
}
byId("query-form").addEventListener("submit", (event) => {
  event.preventDefault();
  void guarded(byId("query-result"), runQuery);
});
byId("sql").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("query-form").requestSubmit();
});
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(byId("key").value);
  byId("key-form").hidden = true;
  void start();
});

async function start() {
  await guarded(byId("preview"), async () => {
    const { files: newest } = await call(`/v1/files?limit=${FILES_SHOWN_MAX}`);
    for (const file of newest.reverse()) noteFile(file);
    const { tables } = await call("/v1/tables");
    byId("table-list").replaceChildren(...tables.map(({ table }) => element("option", { value: table })));
  });
}

void follow(noteFile, (connected) => {
  document.querySelector("#live .dot").classList.toggle("on", connected);
  byId("live-text").textContent = connected ? "live" : "not connected";
  if (connected) void start();
});
show();
