import { messageOf } from "../../../lib/errors.ts";
import type {
  MaintenanceOperation,
  MaintenanceOptions,
  MaintenanceResult,
  TableHealth,
} from "../../../lib/warehouse/warehouse.ts";
import { appendLog, withRetries, type CommandOutcome, type CommandRun } from "./command-run.ts";

const DETAILS_CHARS_MAX = 1_000;

/** Steps of one command at most; the next command continues. */
const STEPS_MAX = 1_000;

/** The progress of a maintenance command. */
export interface MaintenanceWork {
  before: TableHealth;
  /** The next step, from the cursor if set; undefined: only the result remains to be recorded. */
  next: { cursor?: string } | undefined;
  /** The result of each step. */
  steps: readonly Pick<MaintenanceResult, "status" | "details">[];
}

/**
 * Runs the next step of optimising a table, expiring its snapshots or removing its orphan files. The last
 * step records the result, also a failure, in `_maintenance_log`. A step cancelled in favour of rows is
 * skipped, and the command then ends as failed.
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
    // Cancelled by a drain: the table's next writer carries out the command.
    if (signal.aborted && writer.mustYield(Infinity)) throw signal.reason;
    const done = [...steps, { status: step.status, details: step.details }];
    const continues = step.next !== undefined && done.length < STEPS_MAX;
    return { before, next: continues ? { cursor: step.next! } : undefined, steps: done };
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    return finish(run, [{ status: "failed", details: messageOf(thrown) }], work?.before);
  }
}

function operationOf(
  { command, settings, signal }: CommandRun,
  next: { cursor?: string },
): [MaintenanceOperation, MaintenanceOptions] {
  const { retentionMs = settings.retentionMs, dryRun = false } = argumentsOf(command);
  const options = { retentionMs, snapshotsMax: settings.snapshotsMax, signal, dryRun, ...next };
  return [command.kind as MaintenanceOperation, options];
}

interface Arguments {
  retentionMs?: number;
  /** Removes nothing, and leaves no row in `_maintenance_log`: it is no run of the operation. */
  dryRun?: boolean;
}

const argumentsOf = ({ argumentsJson }: CommandRun["command"]): Arguments => JSON.parse(argumentsJson) as Arguments;

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
  const logged = { ...row, run_id: command.commandId, executed_at: new Date(clock.nowMs()) };
  await appendLog(run, "_maintenance_log", argumentsOf(command).dryRun ? [] : [logged]);
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
        `${details}: cancelled after rows waited more than ${settings.maintenanceHoldMs} ms (TRIBUTARY_MAINTENANCE_HOLD)`,
    ),
  ];
  const skipped = of("not_applicable");
  const isDone = before && after && of("completed").length > 0 && !argumentsOf(command).dryRun;
  const done = isDone ? [changeOf(command.kind, before, after)] : [];
  const how = steps.length > 1 ? [`${steps.length} steps`] : command.kind === "optimize" ? [] : of("completed");
  return [...new Set([...faults, ...done, ...how, ...skipped])].join("; ");
}

function changeOf(operation: string, before: TableHealth, after: TableHealth): string {
  if (operation === "expire_snapshots") return `snapshots ${before.snapshots} → ${after.snapshots}`;
  if (operation !== "optimize") return "removed files that no snapshot references";
  return `data files ${before.dataFiles} → ${after.dataFiles}, delete files ${before.deleteFiles} → ${after.deleteFiles}`;
}
