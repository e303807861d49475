import { messageOf } from "../../lib/errors.ts";
import type { MaintenanceOperation, MaintenanceResult } from "../../lib/warehouse/warehouse.ts";
import type { CommandOutcome } from "./commands.ts";
import { bounded, note, type CommandRun } from "./quality.ts";

const DETAILS_CHARS_MAX = 1_000;

/** Before and after are known only of what was really tried. */
type Attempted = Pick<MaintenanceResult, "status" | "details"> & Partial<MaintenanceResult>;

/** Optimises a table, expires its snapshots or removes its orphan files, and notes that in `_maintenance_log`, also if it failed. */
export async function runMaintenance(run: CommandRun): Promise<CommandOutcome> {
  const { command, writer, clock, settings } = run;
  const { retentionMs = settings.retentionMs } = JSON.parse(command.argumentsJson) as { retentionMs?: number };
  const operation = command.kind as MaintenanceOperation;
  let result: Attempted;
  try {
    result = await bounded(run, async (): Promise<Attempted> => {
      const exists = (await writer.warehouse.describe(command.table)) !== undefined;
      if (exists) return writer.warehouse.maintain(command.table, operation, { retentionMs });
      return { status: "not_applicable", details: `table ${command.table} does not exist` };
    });
  } catch (thrown) {
    if (writer.signal.aborted) throw thrown;
    result = { status: "failed", details: messageOf(thrown) };
  }
  const { status, before, after } = result;
  const details = result.details.slice(0, DETAILS_CHARS_MAX);
  const row = {
    table_name: command.table,
    operation,
    status,
    details,
    snapshots_before: before?.snapshots ?? null,
    snapshots_after: after?.snapshots ?? null,
    files_before: before?.dataFiles ?? null,
    files_after: after?.dataFiles ?? null,
  };
  await note(run, "_maintenance_log", [{ ...row, run_id: command.commandId, executed_at: new Date(clock.nowMs()) }]);
  return { status, resultJson: JSON.stringify(row) };
}
