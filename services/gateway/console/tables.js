/** The tables; and of one: its state, checks, rejects, schema, contract, maintenance and files. */
import { call, post, query, tablePath } from "./api.js";
import { fileTable, filesOf, isBusy, tableLink } from "./files.js";
import { ago, announce, button, byId, count, dataTable, element, guarded, pill, plural, redraw, size, tiles, waiting } from "./dom.js";
import { knowTables, rejectTable } from "./upload.js";

const REJECTS_SHOWN = 200;
const RUNS_SHOWN = 12;
const FILES_SHOWN = 20;
const SETTLE_MS = 700;
let selected = "";
let drawnFor = "";
/** What was last asked for on the table's page, and what came of it. */
const outcome = element("div");

/** Draws the list, or the table's page. */
export async function showTables(table) {
  selected = table;
  if (drawnFor !== table) {
    outcome.replaceChildren();
    byId("table-detail").replaceChildren(table ? waiting(`reading ${table} …`) : "");
  }
  byId("tables-title").textContent = table || "Tables";
  await refreshTable();
}

/** Reads again what is shown. */
export const refreshTable = () =>
  guarded(byId(selected ? "table-detail" : "table-overview"), () => (selected ? showTable(selected) : showList()));

let timer;
/** A file has ended: what it changes is read again once things are calm. */
export function tableChanged(file) {
  if (byId("view-tables").hidden || (selected && file.table !== selected)) return;
  if (selected && isBusy(file)) return;
  clearTimeout(timer);
  timer = setTimeout(() => void refreshTable(), SETTLE_MS);
}

async function showList() {
  const { tables } = await call("/v1/tables");
  if (selected) return;
  knowTables(tables);
  byId("table-detail").replaceChildren();
  drawnFor = "";
  redraw(byId("table-overview"), dataTable("Tables",
    ["Table", "Contract", "State", { name: "Files waiting", numeric: true }, { name: "Seconds behind", numeric: true }, "Last commit", ""],
    tables.map(({ table, declared, exists, lag, lastCommitAt }) => [
      tableLink(table),
      declared ? "declared" : element("span", { class: "hint" }, "default"),
      stateOf(exists, lag),
      count(lag.files), lag.oldestSeconds.toFixed(1),
      element("span", {}, ago(lastCommitAt)),
      exists ? element("a", { href: `#query/${table}`, "aria-label": `Query ${table}` }, "Query") : "",
    ]), "No tables yet: the first file makes one."));
}

const stateOf = (exists, { files }) => (files > 0 ? pill("loading", "busy") : exists ? pill("up to date", "good") : pill("no file yet"));

async function showTable(name) {
  const path = tablePath(name);
  const [table, all, checks, maintenance, health] = await Promise.all([
    call(path),
    call(`${path}/rejects?limit=${REJECTS_SHOWN}`),
    history("_quality_results", name, 400),
    history("_maintenance_log", name, 15),
    call(`${path}/health`).catch(() => undefined),
  ]);
  if (name !== selected) return;
  drawnFor = name;
  const rejects = standing(name, all.rejects);
  byId("table-overview").replaceChildren();
  redraw(byId("table-detail"),
    header(name, table),
    outcome,
    numbers(table, health, `${count(rejects.length)}${all.nextCursor ? "+" : ""}`, rejects.length),
    element("div", { class: "columns" }, checksPart(name, table.contract.checks ?? [], checks), schemaPart(table)),
    rejectsPart(name, rejects, all),
    part("Files", null, fileTable(`Files of ${name}, newest first`, filesOf(name).slice(0, FILES_SHOWN), { withTable: false })),
    element("div", { class: "columns" }, maintenancePart(name, maintenance, health), contractPart(table)));
}

const header = (name, { exists, lag, contract }) =>
  element("p", { class: "head" },
    element("span", { class: "row" }, element("a", { href: "#tables", "data-key": "back" }, "All tables"), stateOf(exists, lag), element("span", { class: "hint" }, writeText(contract))),
    element("a", { class: "button quiet", href: `#query/${name}`, "data-key": "query" }, "Query"));

const writeText = ({ writeMode, key }) =>
  ({ replace: "a new version of a file replaces its rows", append: "rows are appended", upsert: `newest row per ${(key ?? []).join(", ")} wins` })[writeMode] ?? "";

const numbers = ({ rowCount, lag, freshness }, health, rejected, rejectsShown) =>
  tiles([
    ["Rows", count(rowCount)],
    ["Last commit", ago(freshness.lastCommitAt)],
    ["Newest data", freshness.lastIngestionDate ?? ago(freshness.lastIngestedAt)],
    ["Files waiting", count(lag.files), lag.files > 0 ? "busy" : null],
    ["Behind", `${lag.oldestSeconds.toFixed(1)} s`, lag.oldestSeconds > 60 ? "bad" : null],
    ["Rejected rows", rejected, rejectsShown > 0 ? "bad" : null],
    ["Size", size(health?.dataBytes)],
  ]);

const part = (title, actions, ...content) =>
  element("section", { "aria-label": title, class: "part" }, element("div", { class: "head" }, element("h2", {}, title), actions && element("span", { class: "row" }, actions)), content);

/** A button that asks the gateway for work; what came of it is shown above, and the page is read again. */
function act(label, told, work, attributes = {}) {
  return button(label, async ({ target }) => {
    target.disabled = true;
    outcome.replaceChildren(waiting(`${told} …`));
    announce(`${told} …`);
    await guarded(outcome, async () => {
      const { text, tone } = await work();
      outcome.replaceChildren(element("p", { class: `card pad said ${tone}`, role: "status" }, text));
    });
    target.disabled = false;
    await refreshTable();
  }, { class: "quiet", "data-key": `act ${label} ${attributes["aria-label"] ?? ""}`, ...attributes });
}

// Checks

function checksPart(name, declared, { columns, rows }) {
  const runs = Map.groupBy(rows.map((row) => Object.fromEntries(columns.map((column, at) => [column.name, row[at]]))), (run) => run.check_name);
  const names = new Set([...declared.map((check) => check.name), ...runs.keys()]);
  const run = act("Run checks", "running the checks", async () => {
    const { status, results, message } = await post(`${tablePath(name)}/checks/run`);
    const failed = results.filter((result) => result.status !== "passed");
    if (results.length === 0) return { text: message ?? "The contract declares no checks.", tone: "calm" };
    if (status === "passed") return { text: `All ${plural(results.length, "check")} passed.`, tone: "good" };
    return { text: `${failed.length} of ${plural(results.length, "check")} did not pass: ${failed.map((result) => result.check_name).join(", ")}.`, tone: "bad" };
  });
  return part("Checks", run, dataTable("Checks",
    ["Check", "Last", { name: "Failing", numeric: true }, { name: "Runs", hint: "newest right" }, "When"],
    [...names].map((check) => {
      const [last, ...older] = runs.get(check) ?? [];
      const rule = declared.find((one) => one.name === check);
      return [
        element("span", {}, check, element("small", { class: "under" }, `${rule?.type ?? last?.check_type ?? ""} ${rule?.column ?? last?.column_name ?? ""}`)),
        last ? element("span", { title: last.details }, pill(last.status)) : pill("not run"),
        last ? `${count(last.failing_rows)} of ${count(last.total_rows)}` : "–",
        last ? runDots([last, ...older].slice(0, RUNS_SHOWN).reverse()) : "",
        element("span", {}, ago(last?.executed_at)),
      ];
    }), "The contract declares no checks."));
}

const runDots = (runs) =>
  element("span", { class: "runs", role: "img", "aria-label": `last runs: ${runs.map(({ status }) => status).join(", ")}` },
    runs.map(({ status, executed_at: at, failing_rows: failing }) => element("i", { class: status, title: `${at} ${status}, ${failing} failing` })));

// Rejects

/** Rejects of each file's newest version; what a newer version has settled is past. `rejects` are newest first. */
function standing(name, rejects) {
  const newest = new Map();
  const note = ({ sourceFile, sourceOffset }) => newest.set(sourceFile, Math.max(sourceOffset, newest.get(sourceFile) ?? -1));
  filesOf(name).filter(({ status }) => status === "committed").forEach(note);
  rejects.forEach(note);
  return rejects.filter(({ sourceFile, sourceOffset }) => sourceOffset === newest.get(sourceFile));
}

function rejectsPart(name, rejects, all) {
  const again = (label, body, attributes) => act(label, "asking for them to be read again", async () => {
    const { files } = await post(`${tablePath(name)}/rejects/replay`, body);
    return files.length === 0
      ? { text: "No file with rejected rows is left to read again.", tone: "calm" }
      : { text: `${plural(files.length, "file")} will be read again: ${files.map(({ sourceFile }) => sourceFile).join(", ")}. Rows that fit now will load.`, tone: "good" };
  }, attributes);
  const firstOf = new Map();
  for (const reject of rejects) if (!firstOf.has(reject.sourceFile)) firstOf.set(reject.sourceFile, reject);
  const fileOf = (reject) => element("span", {}, reject.sourceFile, " ",
    firstOf.get(reject.sourceFile) === reject && firstOf.size > 1 && again("Read again", { file: reject.sourceFile }, { class: "quiet small", "aria-label": `Read ${reject.sourceFile} again` }));
  return part("Rejected rows", rejects.length > 0 && again("Read again", {}, { "aria-label": "Read all files with rejected rows again" }),
    rejects.length === 0 ? element("p", { class: "card pad hint" }, "None: every row that was read is in the table.") : rejectTable("Rejected rows", rejects, fileOf),
    all.rejects.length > rejects.length && element("p", { class: "hint" }, "Those of earlier versions of these files are in the table _rejected_rows."),
    all.nextCursor && element("p", { class: "hint" }, `Among the newest ${REJECTS_SHOWN}; all are in the table _rejected_rows.`));
}

// Schema, contract, maintenance

function schemaPart({ columns, contract }) {
  const declared = new Map((contract.columns ?? []).map((column) => [column.name, column]));
  const names = columns ?? contract.columns ?? [];
  return part("Schema", null, dataTable("Schema", ["Column", "Type", ""], names.map(({ name, type }) => [
    element("strong", {}, name), element("code", {}, type),
    element("span", { class: "hint" }, [contract.key?.includes(name) && "key", declared.get(name)?.required && "required", declared.get(name)?.format].filter(Boolean).join(", ")),
  ]), "No file has come yet."));
}

function contractPart({ declared, contract, partitioning }) {
  const { writeMode, key, onMismatch, unexpectedColumns, rejects = {}, gate } = contract;
  const lines = [
    ["Writes", key?.length ? `${writeMode} on ${key.join(", ")}` : writeMode],
    ["Misfit value", onMismatch],
    ["Unknown column", unexpectedColumns],
    ["Rejects allowed", rejects.shareMax !== undefined ? `${rejects.shareMax * 100} %` : rejects.countMax !== undefined ? count(rejects.countMax) : "any number"],
    ["Partitioned by", partitioning.join(", ") || "nothing"],
    ["Gate", gate ?? "none"],
  ];
  return part("Contract", element("span", { class: "hint" }, declared ? "declared" : "default"),
    element("div", { class: "card pad" },
      element("dl", { class: "pairs" }, lines.map(([term, value]) => [element("dt", {}, term), element("dd", {}, String(value))])),
      element("details", { "data-key": "contract" }, element("summary", { "data-key": "contract summary" }, "All of it"), element("pre", { tabindex: "0" }, JSON.stringify(contract, null, 2)))));
}

function maintenancePart(name, { columns, rows }, health) {
  const run = act("Run maintenance", "maintaining the table", async () => {
    const { status, results } = await post(`${tablePath(name)}/maintenance/run`);
    return { text: results.map((result) => `${result.operation}: ${result.status.replaceAll("_", " ")}`).join(" · "), tone: status === "completed" ? "good" : "bad" };
  });
  const runs = rows.map((row) => Object.fromEntries(columns.map((column, at) => [column.name, row[at]])));
  return part("Maintenance", run,
    health && element("p", { class: "hint" }, `${plural(health.dataFiles, "data file")}, ${count(health.smallFiles)} small, ${plural(health.deleteFiles, "delete file")}, ${plural(health.snapshots, "snapshot")}`),
    dataTable("Maintenance history", ["Operation", "State", { name: "Files", numeric: true }, "When"], runs.map((one) => [
      element("span", { title: one.details }, one.operation.replaceAll("_", " ")), pill(one.status.replaceAll("_", " ")),
      `${count(one.files_before)} → ${count(one.files_after)}`, element("span", {}, ago(one.executed_at)),
    ]), "Not maintained yet."));
}

/** A log of the warehouse about the table, newest first; empty where the key may not query, or nothing has been logged. */
const history = (log, table, limit) =>
  query(`SELECT * FROM ${log} WHERE table_name = '${table.replaceAll("'", "''")}' ORDER BY executed_at DESC LIMIT ${limit}`).catch(() => ({ columns: [], rows: [] }));
