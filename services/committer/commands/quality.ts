import type { Check } from "../../../lib/contract/checks.ts";
import { messageOf } from "../../../lib/errors.ts";
import type { CheckMeasurements, TableCheck } from "../../../lib/warehouse/reads/port.ts";
import type { LogRow, TableDescription, Published } from "../../../lib/warehouse/warehouse.ts";
import { measurementOf, type CheckMeasurement } from "./checks.ts";
import { appendLog, withRetries, type CommandOutcome, type CommandRun } from "./command-run.ts";

export type CheckStatus = "passed" | "failed" | "error";

export interface CheckResult {
  check_name: string;
  check_type: string;
  /** Empty for checks of the whole table. */
  column_name: string;
  status: CheckStatus;
  failing_rows: number;
  total_rows: number;
  details: string;
}

const DETAILS_CHARS_MAX = 1_000;

/**
 * Runs a table's checks and records the results in `_quality_results`. If the contract sets `gate: block`
 * and all its checks ran, publishes the checked version as `<table>_trusted`, or records that it is held. A
 * table without a gate keeps no such view, which would become stale: a run of all checks removes it.
 * One statement measures all checks. If it fails, each check runs alone, so that a broken check gives an
 * error with its message and hides no other.
 */
export async function runChecks(run: CommandRun): Promise<CommandOutcome> {
  const { command, writer, clock } = run;
  const { warehouse } = writer;
  const table = command.table;
  const { checks, all } = checksOf(run);
  const executedAtMs = clock.nowMs();
  const description = await withRetries(run, () => warehouse.describe(table));
  const gated = all && description !== undefined && writer.contract.gate === "block";
  const version = gated ? await withRetries(run, () => warehouse.version(table)) : undefined;
  const results = description
    ? await measure(run, checks, description)
    : checks.map((check) => resultOf(check, 0, `table ${table} does not exist`));
  const rows = results.map((result): LogRow => ({
    ...result,
    table_name: table,
    run_id: command.commandId,
    executed_at: new Date(executedAtMs),
  }));
  await appendLog(run, "_quality_results", rows);
  const status = overall(results);
  if (!all) return { status, resultJson: JSON.stringify({ status, results }) };
  try {
    const gate = await updateGate(run, version, status === "passed", executedAtMs);
    return { status, resultJson: JSON.stringify({ status, results, gate }) };
  } catch (thrown) {
    if (run.signal.aborted) throw thrown;
    const message = `cannot update ${table}_trusted, it is unchanged: ${messageOf(thrown)}`;
    run.logger.error({ err: thrown, table }, message);
    return { status: "error", resultJson: JSON.stringify({ status: "error", results, message, gateFailed: true }) };
  }
}

/** The state of the gate after the run; null without a gate, undefined without a table. */
async function updateGate(run: CommandRun, version: string | undefined, passed: boolean, atMs: number) {
  const { contract, warehouse } = run.writer;
  if (version !== undefined) return gateText(await moveGate(run, version, passed, atMs));
  if (contract.gate === "block") return undefined;
  await withRetries(run, () => warehouse.withdraw(contract.table));
  return null;
}

/** All checks of the contract, or those named by the command. */
function checksOf({ command, writer }: CommandRun): { checks: readonly Check[]; all: boolean } {
  const { checks: names } = JSON.parse(command.argumentsJson) as { checks?: string[] };
  const { table, checks } = writer.contract;
  if (table !== command.table) return { checks: [], all: false };
  return { checks: names ? checks.filter(({ name }) => names.includes(name)) : checks, all: names === undefined };
}

/**
 * Publishes or holds `version`, the checked one. Publishes nothing if another writer has changed the table
 * since.
 */
async function moveGate(
  run: CommandRun,
  version: string,
  passed: boolean,
  atMs: number,
): Promise<Published | undefined> {
  const { warehouse, contract } = run.writer;
  const { table } = contract;
  if (!passed) await withRetries(run, () => warehouse.hold(table, atMs));
  else if (!(await withRetries(run, () => warehouse.publish(table, version, atMs)))) {
    run.logger.warn({ table }, "table changed by another writer during its checks: not published");
  }
  return withRetries(run, () => warehouse.published(table));
}

function gateText(trusted: Published | undefined): object {
  const text = (ms: number | null | undefined): string | null => (ms == null ? null : new Date(ms).toISOString());
  return { trustedAsOf: text(trusted?.asOfMs), heldBackSince: text(trusted?.heldBackSinceMs) };
}

async function measure(run: CommandRun, checks: readonly Check[], table: TableDescription): Promise<CheckResult[]> {
  const deadlineMs = run.clock.monotonicMs() + run.settings.checksTimeoutMs;
  const times = { nowMs: run.clock.nowMs(), deadlineMs };
  const parts = checks.map(measurementOf);
  const measured = new Map<CheckMeasurement, number | string>();
  let total = 0;
  const ask = async (asked: readonly CheckMeasurement[]): Promise<void> => {
    const tableChecks = asked.flatMap((one) => (one.by === "broken" ? [] : [one.measured]));
    const { rowCount, failing } = await counts(run, table, tableChecks, times);
    if (rowCount === undefined) total = (await counts(run, table, [], times)).rowCount ?? 0;
    else total = rowCount;
    asked.forEach((one, index) => {
      const found = failing[index] ?? 0;
      measured.set(one, typeof found === "number" ? found : found.problem);
    });
  };
  const askAlone = async (one: CheckMeasurement): Promise<void> => {
    await ask([one]).catch((thrown: unknown) => {
      if (run.signal.aborted) throw thrown;
      measured.set(one, messageOf(thrown));
    });
  };
  const together = parts.filter(({ by }) => by === "together");
  await ask(together).catch(async () => {
    for (const one of together) await askAlone(one);
  });
  for (const one of parts) {
    if (one.by === "alone") await askAlone(one);
    if (one.by === "broken") measured.set(one, one.problem);
  }
  return parts.map((one) => resultOf(one.check, total, measured.get(one)!));
}

/** Runs one statement, limited to the run's remaining time, because the table's commits wait. */
async function counts(
  run: CommandRun,
  table: TableDescription,
  checks: readonly TableCheck[],
  { nowMs, deadlineMs }: { nowMs: number; deadlineMs: number },
): Promise<CheckMeasurements> {
  const { signal, clock, settings, writer } = run;
  const timeoutMs = Math.ceil(deadlineMs - clock.monotonicMs());
  if (timeoutMs <= 0) {
    throw new Error(`not measured: the run used up its ${settings.checksTimeoutMs} ms (TRIBUTARY_CHECKS_TIMEOUT)`);
  }
  return withRetries(run, () => writer.warehouse.measure(table, checks, { nowMs, timeoutMs, signal }));
}

/** `measured` is the number of failing rows, or an error message. */
function resultOf(check: Check, total: number, measured: number | string): CheckResult {
  const failed = typeof measured === "number" ? measured : 0;
  const status = typeof measured === "string" ? "error" : failed > 0 ? "failed" : "passed";
  return {
    check_name: check.name,
    check_type: check.type,
    column_name: check.column ?? "",
    status,
    failing_rows: failed,
    total_rows: total,
    details: (typeof measured === "string" ? `Error: ${measured}` : detailsOf(check, failed, total)).slice(
      0,
      DETAILS_CHARS_MAX,
    ),
  };
}

function detailsOf(check: Check, failed: number, total: number): string {
  switch (check.type) {
    case "uniqueness":
      return `${failed} values of ${check.column} occur more than once`;
    case "row_count_range":
      return `${total} rows; expected ${check.min_count ?? 0} to ${check.max_count ?? "any number"}`;
    case "freshness":
      return `the newest ${check.column ?? "_ingested_at"} is ${failed ? "" : "not "}older than ${check.max_age}`;
    case "custom_sql":
      return `the query returned ${failed} rows`;
    default:
      return `${failed} of ${total} rows fail`;
  }
}

function overall(results: readonly CheckResult[]): CheckStatus {
  if (results.some(({ status }) => status === "error")) return "error";
  return results.some(({ status }) => status === "failed") ? "failed" : "passed";
}
