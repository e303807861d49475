import { messageOf } from "../../../lib/errors.ts";
import type {
  MaintenanceOperation,
  MaintenanceOptions,
  MaintenanceResult,
  TableHealth,
} from "../../../lib/warehouse/warehouse.ts";
import { appendLog, withRetries, type CommandOutcome, type CommandRun } from "./command-run.ts";

const DETAILS_CHARS_MAX = 1_000;

/** Steps of one command, at most: what is left then is for the next. */
const STEPS_MAX = 1_000;

/** What has been done of a command so far. */
export interface MaintenanceWork {
  before: TableHealth;
  /** What comes next: a step, from the cursor on if there is one; undefined: all is done but to tell it. */
  next: { cursor?: string } | undefined;
  /** What each step came to. */
  steps: readonly Pick<MaintenanceResult, "status" | "details">[];
}

/**
 * Optimises a table, expires its snapshots or removes its orphan files: the next step of that. The last one notes what came of it in
 * `_maintenance_log`, also if it failed. A step that had to make way for rows is left out, and the command fails in the end.
 */
export async function maintainStep(
  run: CommandRun,
  work: MaintenanceWork | undefined,
): Promise<MaintenanceWork | CommandOutcome> {
  const { command, writer, signal } = run;
  const { warehouse } = writer;
  const { table } = command;
  try {
    if (!work && (await withRetries(run, () => warehouse.describe(table))) === undefined) {
      return await finish(run, [{ status: "not_applicable", details: `table ${table} does not exist` }]);
    }
    const health = (): Promise<TableHealth> => withRetries(run, () => warehouse.health(table));
    if (!work) return { before: await health(), next: {}, steps: [] };
    const { before, next, steps } = work;
    if (!next) return await finish(run, steps, before, await health());
    const step = await withRetries(run, () => warehouse.maintain(table, ...operationOf(run, next)));
    // Given up because the writer drains: the command is the next owner's.
    if (signal.aborted && writer.mustYield(Infinity)) throw signal.reason;
    const done = [...steps, { status: step.status, details: step.details }];
    const goesOn = step.next !== undefined && done.length < STEPS_MAX;
    return { before, next: goesOn ? { cursor: step.next! } : undefined, steps: done };
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    return finish(run, [{ status: "failed", details: messageOf(thrown) }], work?.before);
  }
}

function operationOf(
  { command, settings, signal }: CommandRun,
  next: { cursor?: string },
): [MaintenanceOperation, MaintenanceOptions] {
  const { retentionMs = settings.retentionMs } = JSON.parse(command.argumentsJson) as { retentionMs?: number };
  const options = { retentionMs, snapshotsMax: settings.snapshotsMax, signal, ...next };
  return [command.kind as MaintenanceOperation, options];
}

async function finish(
  run: CommandRun,
  steps: MaintenanceWork["steps"],
  before?: TableHealth,
  after?: TableHealth,
): Promise<CommandOutcome> {
  const { command, clock } = run;
  const status = overall(steps);
  const row = {
    table_name: command.table,
    operation: command.kind,
    status,
    details: detailsOf(run, steps, before, after).slice(0, DETAILS_CHARS_MAX),
    snapshots_before: before?.snapshots ?? null,
    snapshots_after: after?.snapshots ?? null,
    files_before: before?.dataFiles ?? null,
    files_after: after?.dataFiles ?? null,
  };
  await appendLog(run, "_maintenance_log", [
    { ...row, run_id: command.commandId, executed_at: new Date(clock.nowMs()) },
  ]);
  return { status, resultJson: JSON.stringify({ ...row, health: after }) };
}

function overall(steps: MaintenanceWork["steps"]): "completed" | "failed" | "not_applicable" {
  if (steps.some(({ status }) => status === "failed" || status === "given up")) return "failed";
  return steps.every(({ status }) => status === "not_applicable") ? "not_applicable" : "completed";
}

function detailsOf(
  { command, settings }: CommandRun,
  steps: MaintenanceWork["steps"],
  before: TableHealth | undefined,
  after: TableHealth | undefined,
): string {
  const of = (status: MaintenanceResult["status"]): string[] =>
    steps.filter((step) => step.status === status).map(({ details }) => details);
  const faults = [
    ...of("failed"),
    ...of("given up").map(
      (details) =>
        `${details}: given up, since rows waited for more than ${settings.maintenanceHoldMs} ms (TRIBUTARY_MAINTENANCE_HOLD)`,
    ),
  ];
  const skipped = of("not_applicable");
  const done = before && after && of("completed").length > 0 ? [changeOf(command.kind, before, after)] : [];
  const how = steps.length > 1 ? [`${steps.length} steps`] : command.kind === "optimize" ? [] : of("completed");
  return [...new Set([...faults, ...done, ...how, ...skipped])].join("; ");
}

function changeOf(operation: string, before: TableHealth, after: TableHealth): string {
  if (operation === "expire_snapshots") return `snapshots ${before.snapshots} → ${after.snapshots}`;
  if (operation !== "optimize") return "files that no snapshot knows are removed";
  return `data files ${before.dataFiles} → ${after.dataFiles}, delete files ${before.deleteFiles} → ${after.deleteFiles}`;
}
