import { addedColumns } from "../../lib/columns.ts";
import type { Contract } from "../../lib/contract/contract.ts";
import { confidenceDoubts, newColumnDoubts, stopAction } from "../../lib/contract/guards.ts";
import { heldMessage, type HeldReason } from "../../lib/contract/held.ts";
import type { FileEvent } from "../../lib/messages/generated.ts";
import type { ParseSummary } from "../../lib/parsing/parse-file.ts";
import type { TableSchema } from "../../lib/table-schemas/table-schemas.ts";

/** How a file ends, and why it is held; a held file has the outcome failed and the error FILE_HELD. */
export interface Judged {
  summary: ParseSummary;
  held?: readonly HeldReason[] | undefined;
}

/**
 * Decides what the parser alone can decide about a file: whether its doubts hold it, and whether a file
 * without a byte may empty its version. Only a new version is in doubt: a replay repeats what was loaded, and
 * a decision, or the table's earlier name, has settled the doubts.
 */
export function judge(
  summary: ParseSummary,
  event: FileEvent,
  contract: Contract,
  known: TableSchema | undefined,
): Judged {
  if (summary.error?.code === "FILE_EMPTY" && known && mayEmpty(event, contract)) {
    const { error: _, ...rest } = summary;
    return { summary: { ...rest, outcome: "complete", columns: known.columns } };
  }
  const isSettled = event.versionOffset !== null || event.settled === true;
  if (summary.outcome === "failed" || isSettled) return { summary };
  const unsure = [...(summary.doubts ?? []), ...confidenceDoubts(summary.dialect?.confidence, contract)];
  const doubts = [...(contract.onDoubt === "load" ? [] : unsure), ...(summary.stops ?? [])];
  if (doubts.length === 0) return { summary: unsure.length > 0 ? { ...summary, doubts: unsure } : summary };
  // Who accepts the file agrees to its columns, too.
  const added = newColumnDoubts(contract, addedTo(known, summary, contract.table));
  const isHeld = stopAction(contract) === "hold" && added.every(({ action }) => action === "hold");
  const reasons = [...doubts, ...added.map(({ reason, evidence }) => ({ reason, evidence }))];
  const error = { code: isHeld ? "FILE_HELD" : "FILE_DOUBTFUL", message: heldMessage(reasons) } as const;
  return { summary: { ...summary, outcome: "failed", error }, ...(isHeld ? { held: reasons } : {}) };
}

const addedTo = (known: TableSchema | undefined, { columns, rowsAccepted }: ParseSummary, table: string): string[] =>
  known && rowsAccepted > 0 ? addedColumns(table, known.columns, columns) : [];

const mayEmpty = ({ decision, settled }: FileEvent, { accept }: Contract): boolean =>
  decision?.verdict === "accept" || settled === true || accept.empty === "load";

/** The message of a file that somebody refused. */
export function refusalMessage({ decision }: FileEvent): string {
  const { decidedBy = "", reason = "" } = decision ?? {};
  return `refused${decidedBy === "" ? "" : ` by ${decidedBy}`}${reason === "" ? "" : `: ${reason}`}`;
}
