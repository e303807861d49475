import type { Clock } from "../../lib/clock.ts";
import type { Check } from "../../lib/contract/contract.ts";
import { isRetryable, messageOf } from "../../lib/errors.ts";
import type { Command } from "../../lib/events/generated.ts";
import { retry } from "../../lib/retry.ts";
import type { Logger } from "../../lib/service/logger.ts";
import { columnList, tableName, withAuditColumns, type Dialect } from "../../lib/warehouse/sql.ts";
import type { LogRow, TableDescription } from "../../lib/warehouse/warehouse.ts";
import { combinedQuery, measureOf, type Measure } from "./checks.ts";
import type { CommandOutcome, CommandSettings } from "./commands.ts";
import type { TableWriter } from "./commit.ts";
import type { CommitterMetrics } from "./metrics.ts";

/** What carrying out a command needs. */
export interface CommandRun {
  command: Command;
  writer: TableWriter;
  clock: Clock;
  settings: CommandSettings;
  metrics: CommitterMetrics;
  logger: Logger;
}

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
 * Runs a table's checks, notes them in `_quality_results` and, where the contract says `gate: block`, moves `<table>_trusted`
 * forward to `absorbedUpTo` if all passed. One statement measures all checks of the table; if it fails they are asked one by one, so
 * that a broken check is an error with its message and hides no other.
 */
export async function runChecks(run: CommandRun, absorbedUpTo: number | undefined): Promise<CommandOutcome> {
  const { command, writer, clock } = run;
  const { warehouse } = writer;
  const table = command.table;
  const checks = checksOf(run);
  const description = await bounded(run, () => warehouse.describe(table));
  const results = description
    ? await measure(run, checks, description)
    : checks.map((check) => resultOf(check, 0, `table ${table} does not exist`));
  const status = overall(results);
  const executedAt = new Date(clock.nowMs());
  const rows = results.map((result): LogRow => ({
    ...result,
    table_name: table,
    run_id: command.commandId,
    executed_at: executedAt,
  }));
  await note(run, "_quality_results", rows);
  if (description && writer.contract.table === table && writer.contract.gate === "block") {
    await moveTrusted(run, description, status === "passed" ? absorbedUpTo : undefined);
  }
  return { status, resultJson: JSON.stringify({ status, results }) };
}

/** All checks of the contract, or those the command names. */
function checksOf({ command, writer }: CommandRun): readonly Check[] {
  const { checks: names } = JSON.parse(command.argumentsJson) as { checks?: string[] };
  const { table, checks } = writer.contract;
  if (table !== command.table) return [];
  return names ? checks.filter(({ name }) => names.includes(name)) : checks;
}

async function measure(
  run: CommandRun,
  checks: readonly Check[],
  { table, columns }: TableDescription,
): Promise<CheckResult[]> {
  const dialect: Dialect = run.writer.warehouse.url.startsWith("trino") ? "trino" : "duckdb";
  const context = { table, columns, dialect, nowMs: run.clock.nowMs() };
  const measures = checks.map((check) => measureOf(check, context));
  const together = measures.filter(({ by }) => by === "aggregate" || by === "subquery");
  const measured = new Map<Measure, number | string>();
  let total = 0;
  const ask = async (asked: readonly Measure[]): Promise<void> => {
    const [rows, ...failing] = await numbers(run, combinedQuery(table, asked));
    total = rows ?? 0;
    asked.forEach((one, index) => measured.set(one, failing[index] ?? 0));
  };
  const askAlone = async (one: Measure): Promise<void> => {
    await ask([one]).catch((thrown: unknown) => measured.set(one, messageOf(thrown)));
  };
  await ask(together).catch(async () => {
    for (const one of together) await askAlone(one);
  });
  for (const one of measures) {
    if (one.by === "alone") await askAlone(one);
    if (one.by === "broken") measured.set(one, one.message);
  }
  return measures.map((one) => resultOf(one.check, total, measured.get(one)!));
}

/** The first row of a query, as numbers. */
async function numbers(run: CommandRun, sql: string): Promise<number[]> {
  const { warehouse, signal } = run.writer;
  const options = { rowsMax: 1, timeoutMs: run.settings.queryTimeoutMs, signal };
  const { rows } = await bounded(run, () => warehouse.query(sql, options));
  return (rows[0] ?? []).map(Number);
}

/** `measured` is the count of failing rows, or what went wrong. */
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

/**
 * `<table>_trusted` shows the rows of the file versions that were in the table when its checks last passed. Without a pass it stays as it
 * is; if it does not exist, or its table's columns have changed under it, it shows nothing.
 */
async function moveTrusted(run: CommandRun, table: TableDescription, passedUpTo: number | undefined): Promise<void> {
  const { warehouse } = run.writer;
  const view = `${table.table}_trusted`;
  const columns = columnList(withAuditColumns(table.columns).map(({ name }) => name));
  const show = (condition: string): Promise<void> =>
    warehouse.ensureView(view, `SELECT ${columns} FROM ${tableName(table.table)} WHERE ${condition}`);
  if (passedUpTo !== undefined) return bounded(run, () => show(`"_source_offset" <= ${passedUpTo}`));
  const readable = await numbers(run, `SELECT count(*) FROM ${tableName(view)}`).catch(() => undefined);
  if (!readable) await bounded(run, () => show("FALSE"));
}

/** Appends to one of our own tables. A failure is told, not thrown: the command itself has been carried out. */
export async function note(
  run: CommandRun,
  table: "_quality_results" | "_maintenance_log",
  rows: readonly LogRow[],
): Promise<void> {
  if (rows.length === 0) return;
  try {
    await bounded(run, () => run.writer.warehouse.appendLog(table, rows));
  } catch (thrown) {
    if (run.writer.signal.aborted) throw thrown;
    run.logger.error(
      { err: thrown, table, commandId: run.command.commandId },
      `rows for ${table} could not be written`,
    );
    run.metrics.flow.dropped("unwritten_log_rows", rows.length);
  }
}

const ATTEMPTS_MAX = 4;

/** A command is worth a few attempts; ingestion waits behind it. */
export function bounded<T>({ clock, writer }: CommandRun, attempt: () => Promise<T>): Promise<T> {
  const options = { attemptsMax: ATTEMPTS_MAX, backoffMsMin: 100, backoffMsMax: 2_000, signal: writer.signal };
  return retry(clock, { ...options, retryable: isRetryable }, attempt);
}
