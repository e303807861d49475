import type { Command } from "commander";
import { FILE_ARGUMENT, findFileId } from "./files/find-file.ts";
import { countText, EXIT, lineText, listText, sizeText, tableText } from "./output.ts";
import { action, positive } from "./session.ts";
import { fileText, gateText, type GateAnswer } from "./show.ts";
import type { FileAnswer } from "./upload.ts";

/** Commands to operate tables: checks, maintenance, health, event log. */

const JSON_BODY = (body: object) => ({ body: JSON.stringify(body), contentType: "application/json" });
const pathOf = (table: string, rest: string): string => `/v1/tables/${encodeURIComponent(table)}/${rest}`;

interface ChecksAnswer {
  status: "passed" | "failed" | "error";
  message?: string;
  gate?: GateAnswer;
  results: {
    check_name: string;
    check_type: string;
    column_name: string;
    status: string;
    failing_rows: number;
    total_rows: number;
    details: string;
  }[];
}

export function addChecks(program: Command): void {
  program
    .command("checks")
    .description("run the quality checks of a table's contract")
    .command("run")
    .description("run checks now; exit code 0 if all passed, 1 if one failed, 2 if one could not run")
    .argument("<table>")
    .option("--check <names...>", "only these checks")
    .action(
      action(async ({ client, print }, table: string, { check }: { check?: string[] }) => {
        const body = JSON_BODY(check ? { checks: check } : {});
        const answer = await client.send<ChecksAnswer>("POST", pathOf(table, "checks/run"), body);
        print(answer, (checks) => checksText(table, checks));
        return { passed: EXIT.ok, failed: EXIT.no, error: EXIT.usage }[answer.status];
      }),
    );
}

function checksText(table: string, { status, message, gate, results }: ChecksAnswer): string {
  const end = [status, message, gate && `${table}_trusted: ${gateText(gate)}`].filter(Boolean).join("\n");
  if (results.length === 0) return message ? end : `the contract declares no checks\n${end}`;
  const head = ["check", "type", "column", "status", "failing", "rows", "details"];
  const rows = results.map((one) => [
    one.check_name,
    one.check_type,
    one.column_name,
    one.status,
    one.failing_rows,
    one.total_rows,
    one.details,
  ]);
  return `${tableText(head, rows)}\n${end}`;
}

interface DropsAnswer {
  watching: boolean;
  held: { folder: string; missing: number; known: number }[];
  unfit: SkippedDrop[];
  unfitCount: number;
  ignored: SkippedDrop[];
  ignoredCount: number;
  fault: string | null;
}

interface SkippedDrop {
  key: string;
  kind: string;
  reason: string;
}

export function addDrops(program: Command): void {
  const drops = program
    .command("drops")
    .description(
      "show the drop store: deletions that wait for a confirmation, and objects that are not ingested, with the reason",
    )
    .action(
      action(async ({ client, print }) => {
        print(await client.send<DropsAnswer>("GET", "/v1/drops"), dropsText);
        return EXIT.ok;
      }),
    );
  drops
    .command("confirm")
    .description("confirm that the missing objects of a folder were deleted; onDelete then decides about their rows")
    .argument("<folder>", "as `tributary drops` shows it; / is the whole store")
    .argument("<missing>", "how many objects are missing there; more than that stay held", positive)
    .action(
      action(async ({ client, print }, folder: string, missing: number) => {
        const body = JSON_BODY({ folder: folder === "/" ? "" : folder, missing });
        const answer = await client.send<{ missing: number }>("POST", "/v1/drops/deletions/confirm", body);
        print(answer, () => `confirmed: ${countText(answer.missing, "deletion")} in ${folder}`);
        return EXIT.ok;
      }),
    );
}

function dropsText({ held, unfit, unfitCount, ignored, ignoredCount, fault }: DropsAnswer): string {
  const parts = [
    ...(fault === null ? [] : [`the drop store cannot be listed, so nothing is loaded: ${lineText(fault)}`]),
    held.length === 0
      ? "no deletions wait for a confirmation"
      : tableText(
          ["folder", "missing", "known"],
          held.map(({ folder, missing, known }) => [folder || "/", missing, known]),
        ),
  ];
  const add = (what: string, total: number, shown: readonly SkippedDrop[]): void => {
    if (total === 0) return;
    const rows = shown.map(({ key, kind, reason }) => [key, kind, reason]);
    const more = total > shown.length ? `, the first ${shown.length} are shown` : "";
    parts.push(
      `${countText(total, "object")} ${what}${more}`,
      tableText(["object", "kind", "reason and remedy"], rows),
    );
  };
  add("not loaded", unfitCount, unfit);
  add("hidden or unfinished", ignoredCount, ignored);
  return parts.join("\n");
}

interface MaintenanceAnswer {
  status: "completed" | "failed";
  results: { operation: string; status: string; details: string; files_before: number; files_after: number }[];
}

export function addMaintain(program: Command): void {
  program
    .command("maintain")
    .description("maintain a table: optimize it, expire snapshots, remove orphan files")
    .argument("<table>")
    .option("--only <operations...>", "optimize, expire_snapshots, remove_orphan_files")
    .option("--dry-run", "name the orphan files that remove_orphan_files would remove, and remove nothing")
    .action(
      action(async ({ client, print }, table: string, { only, dryRun }: { only?: string[]; dryRun?: boolean }) => {
        const body = JSON_BODY({ ...(only ? { operations: only } : {}), ...(dryRun ? { dryRun } : {}) });
        const answer = await client.send<MaintenanceAnswer>("POST", pathOf(table, "maintenance/run"), body);
        print(answer, ({ results }) =>
          tableText(
            ["operation", "status", "files before", "files after", "details"],
            results.map((one) => [one.operation, one.status, one.files_before, one.files_after, one.details]),
          ),
        );
        return answer.status === "completed" ? EXIT.ok : EXIT.no;
      }),
    );
}

interface HealthAnswer {
  table: string;
  rowCount: number;
  dataFiles: number;
  dataBytes: number;
  smallFiles: number;
  mergeableFiles: number;
  deleteFiles: number;
  deleteShare: number;
  snapshots: number;
  oldestSnapshotAt: string | null;
  due: { operation: string; reason: string }[];
  lastRuns: { operation: string; status: string; details: string; executedAt: string }[];
  gate: GateAnswer | null;
}

export function addHealth(program: Command): void {
  program
    .command("health")
    .description("show a table's files, sizes, delete files and snapshots, and the maintenance that is due")
    .argument("<table>")
    .action(
      action(async ({ client, print }, table: string) => {
        print(await client.send<HealthAnswer>("GET", pathOf(table, "health")), healthText);
        return EXIT.ok;
      }),
    );
}

function healthText(health: HealthAnswer): string {
  const { due, lastRuns, gate } = health;
  const about = listText([
    ["table", health.table],
    ["rows", health.rowCount],
    ["data files", health.dataFiles],
    ["small files", `${health.smallFiles}; compaction removes ${health.mergeableFiles}`],
    ["size", sizeText(health.dataBytes)],
    ["delete files", `${health.deleteFiles} (${health.deleteShare.toFixed(2)} per data file)`],
    ["snapshots", health.snapshots],
    ["oldest snapshot", health.oldestSnapshotAt],
    ["trusted data", gate && `${gate.relation}: ${gateText(gate)}`],
    ["due", due.length === 0 ? "nothing" : due.map(({ operation, reason }) => `${operation}: ${reason}`).join("; ")],
  ]);
  if (lastRuns.length === 0) return about;
  const runs = lastRuns.map(({ operation, status, executedAt, details }) => [operation, status, executedAt, details]);
  return `${about}\n\n${tableText(["last run of", "status", "at", "details"], runs)}`;
}

/** The group of commands on single files. */
export function addFiles(program: Command): Command {
  const files = program.command("files").description("operate single files");
  files
    .command("skip")
    .description("set a file aside that its table cannot take; it ends as failed, and its table continues")
    .argument("<id>", `${FILE_ARGUMENT}; \`tributary tables <name>\` shows which files a table fails to commit`)
    .requiredOption("--reason <text>", "why; it is recorded in the ledger and in the audit log")
    .addHelpText("after", "\nThe file's raw bytes stay: `tributary replay` loads it later.")
    .action(
      action(async ({ client, print }, id: string, { reason }: { reason: string }) => {
        const path = `/v1/files/${encodeURIComponent(await findFileId(client, id, { status: "blocked" }))}/skip`;
        print(await client.send<FileAnswer & Record<string, unknown>>("POST", path, JSON_BODY({ reason })), fileText);
        return EXIT.ok;
      }),
    );
  return files;
}

interface AdoptAnswer {
  base: number;
  tables: number;
  repeated: number;
}

export function addLog(program: Command): void {
  program
    .command("log")
    .description("operate the event log")
    .command("adopt-recreated")
    .description("continue with a recreated event log (LOG_RECREATED); the tables keep their rows")
    .action(
      action(async ({ client, print }) => {
        print(
          await client.send<AdoptAnswer>("POST", "/v1/log/adopt-recreated", JSON_BODY({})),
          ({ base, tables, repeated }) =>
            `adopted: file versions continue from ${base} for ${countText(tables, "table")}` +
            (repeated > 0 ? `; ${countText(repeated, "earlier file version")} published again` : ""),
        );
        return EXIT.ok;
      }),
    );
}
