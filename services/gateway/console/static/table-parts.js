/** The parts of a table's page. */
import { post, tablePath } from "./api.js";
import { ago, announce, button, count, dataTable, element, guarded, messageText, pairs, pill, plural, waiting } from "./dom.js";

const RUNS_SHOWN = 12;
/** The result of the last action on the page. */
export const outcome = element("div");

/** A titled part of the page; `actions` are shown beside the title. */
export const part = (title, actions, ...content) =>
  element(
    "section",
    { "aria-label": title, class: "part" },
    element("div", { class: "head" }, element("h2", {}, title), actions && element("span", { class: "row" }, actions)),
    content,
  );

/** A button that runs `work`, shows the result in `outcome` and fires `table-acted` on the document. */
export function act(label, progressText, work, attributes = {}) {
  return button(
    label,
    async ({ target }) => {
      if (target.ariaDisabled === "true") return;
      // Not `disabled`: it would remove the keyboard focus.
      target.ariaDisabled = "true";
      outcome.replaceChildren(waiting(`${progressText} …`));
      announce(`${progressText} …`);
      await guarded(outcome, async () => {
        const { text, tone } = await work();
        outcome.replaceChildren(element("p", { class: `card pad said ${tone}`, role: "status" }, text));
      });
      target.ariaDisabled = null;
      document.dispatchEvent(new Event("table-acted"));
    },
    { class: "quiet", "data-key": `act ${label} ${attributes["aria-label"] ?? ""}`, ...attributes },
  );
}

// Checks

export function checksPart(name, declared, runs) {
  // Results of checks that the contract no longer has are in _quality_results.
  const names = declared.map((check) => check.name);
  const run =
    declared.length > 0 &&
    act("Run checks", "running the checks", async () => {
      const { status, results, message } = await post(`${tablePath(name)}/checks/run`);
      const failed = results.filter((result) => result.status !== "passed");
      if (results.length === 0) return { text: message ?? "The contract declares no checks.", tone: "calm" };
      if (status === "passed") return { text: `All ${plural(results.length, "check")} passed.`, tone: "good" };
      return {
        text:
          `${failed.length} of ${plural(results.length, "check")} did not pass: ` +
          `${failed.map((result) => result.check_name).join(", ")}.`,
        tone: "bad",
      };
    });
  return part(
    "Checks",
    run,
    dataTable(
      "Checks",
      ["Check", "Last run", { name: "Failing", numeric: true }, { name: "Runs", hint: "newest right" }, "When"],
      names.map((check) => {
        const [last, ...older] = runs.get(check) ?? [];
        const rule = declared.find((one) => one.name === check);
        return [
          element(
            "span",
            {},
            check,
            element(
              "small",
              { class: "under" },
              `${rule?.type ?? last?.check_type ?? ""} ${rule?.column ?? last?.column_name ?? ""}`,
            ),
            last && last.status !== "passed" && element("small", { class: "under bad" }, messageText(last.details)),
          ),
          last ? pill(last.status) : pill("not run"),
          last ? `${count(last.failing_rows)} of ${count(last.total_rows)}` : "–",
          last ? runDots([last, ...older].slice(0, RUNS_SHOWN).reverse()) : "",
          element("span", {}, ago(last?.executed_at)),
        ];
      }),
      "The contract declares no checks.",
    ),
  );
}

const runDots = (runs) =>
  element(
    "span",
    { class: "runs", role: "img", "aria-label": `last runs: ${runs.map(({ status }) => status).join(", ")}` },
    runs.map(({ status, executed_at: at, failing_rows: failing }) =>
      element("i", { class: status, title: `${at} ${status}, ${failing} failing` }),
    ),
  );

// Schema, contract, maintenance

export function schemaPart({ columns, contract }) {
  const declared = new Map((contract.columns ?? []).map((column) => [column.name, column]));
  const names = columns ?? contract.columns ?? [];
  return part(
    "Schema",
    null,
    dataTable(
      "Schema",
      ["Column", "Type", ""],
      names.map(({ name, type }) => [
        element("strong", {}, name),
        element("code", {}, type),
        element(
          "span",
          { class: "hint" },
          [
            contract.key?.includes(name) && "key",
            declared.get(name)?.required && "required",
            declared.get(name)?.format,
          ]
            .filter(Boolean)
            .join(", "),
        ),
      ]),
      "No files yet.",
    ),
  );
}

/** What is wrong with the table's contract file, and what counts meanwhile. Null if nothing is. */
export const contractFaultCard = ({ contractFault }) =>
  contractFault &&
  element(
    "div",
    { class: "card pad said bad", role: "alert" },
    element(
      "p",
      {},
      contractFault.inForce
        ? "The contract file is faulty. The contract as it was stays in force."
        : "The contract file is faulty. The table accepts no files until it is corrected.",
    ),
    contractFault.faults.map((fault) => element("p", {}, element("code", {}, fault))),
  );

/**
 * State of a table with `gate: block`: "open" while all checks pass, else "held". Undefined without such a
 * gate.
 */
export const gateOf = ({ gate }, failing) =>
  gate !== "block" || failing === undefined ? undefined : failing === 0 ? "open" : "held";

export function contractPart({ declared, contract, partitioning }) {
  const { writeMode, key, onMismatch, unexpectedColumns, rejects = {}, gate } = contract;
  const lines = [
    ["Write mode", key?.length ? `${writeMode} on ${key.join(", ")}` : writeMode],
    ["Type mismatch", onMismatch],
    ["Unknown column", unexpectedColumns],
    [
      "Rejects allowed",
      rejects.shareMax !== undefined
        ? `${rejects.shareMax * 100} %`
        : rejects.countMax !== undefined
          ? count(rejects.countMax)
          : "any number",
    ],
    ["Partitioned by", partitioning.join(", ") || "not partitioned"],
    ["Gate", gate ?? "none"],
  ];
  return part(
    "Contract",
    element("span", { class: "hint" }, declared ? "declared" : "default"),
    element(
      "div",
      { class: "card pad" },
      pairs(lines.map(([term, value]) => [term, String(value)])),
      element(
        "details",
        { "data-key": "contract" },
        element("summary", { "data-key": "contract summary" }, "Full contract"),
        element("pre", { tabindex: "0" }, JSON.stringify(contract, null, 2)),
      ),
    ),
  );
}

export function maintenancePart(name, runs, health) {
  const run = act("Run maintenance", "maintaining the table", async () => {
    const { status, results } = await post(`${tablePath(name)}/maintenance/run`);
    return {
      text: results.map((result) => `${result.operation}: ${result.status.replaceAll("_", " ")}`).join(" · "),
      tone: status === "completed" ? "good" : "bad",
    };
  });
  return part(
    "Maintenance",
    run,
    health &&
      element(
        "p",
        { class: "hint" },
        [
          plural(health.dataFiles, "data file"),
          `${count(health.smallFiles)} small`,
          plural(health.deleteFiles, "delete file"),
          plural(health.snapshots, "snapshot"),
        ].join(", "),
      ),
    dataTable(
      "Maintenance history",
      [
        "Operation",
        "Status",
        { name: "Files", numeric: true },
        { name: "Snapshots", numeric: true },
        { name: "Details", wrap: true },
        "When",
      ],
      runs.map((one) => [
        one.operation.replaceAll("_", " "),
        pill(one.status.replaceAll("_", " ")),
        `${count(one.files_before)} → ${count(one.files_after)}`,
        `${count(one.snapshots_before)} → ${count(one.snapshots_after)}`,
        element("span", { class: "hint" }, one.details ?? ""),
        element("span", {}, ago(one.executed_at)),
      ]),
      "Not maintained yet.",
    ),
  );
}
