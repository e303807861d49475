import type { Contract } from "../../../lib/contract/contract.ts";
import {
  confidenceDoubts,
  emptyAction,
  newColumnDoubts,
  stopAction,
  versionDoubts,
  type Before,
} from "../../../lib/contract/guards.ts";
import { heldMessage, type HeldReason } from "../../../lib/contract/held.ts";
import { sumOf, usualRejects } from "../../../lib/file-versions/usual-rejects.ts";
import type { Preview } from "../../../lib/parsing/preview.ts";
import type { RecordedContent, Warehouse } from "../../../lib/warehouse/warehouse.ts";

/** A file that is previewed for a table. */
export interface PreviewedFile {
  sourceFile: string;
  /** SHA-256 of its bytes; undefined: not all of them were read. */
  contentHash: string | undefined;
  /** Whether its table exists. */
  hasTable: boolean;
}

export interface Previewed {
  preview: Preview;
  file: PreviewedFile;
  contract: Contract;
  /** Of each lookup. */
  timeoutMs: number;
}

/** What the contract would say about a previewed file. */
export interface Guarded {
  /** All reasons to hold the file, those of detection first. */
  doubts: HeldReason[];
  error: Preview["error"];
  /** What could not be checked: settings of `accept`, and what stands in the part that was not read. */
  unchecked: string[];
}

/** Lines below the table, and values that change a type, may come after the part that was read. */
const FURTHER_DOWN = ["footer", "types"];
const COUNTS = ["shrinkMax", "growMax", "rowsMin", "rowsMax", "rejectsAboveUsualMax"] as const;

/**
 * Judges a previewed file by the contract, as parser and committer judge an upload of the same name. What
 * needs the whole file, or a record that cannot be read, is named in `unchecked`.
 */
export async function guarded(
  warehouse: Pick<Warehouse, "recordedContents" | "reads">,
  previewed: Previewed,
): Promise<Guarded> {
  const { preview, file, contract } = previewed;
  const { doubts = [], stops = [], error, diff, rowsAccepted: rows, rowsRejected, complete, dialect } = preview;
  const isEmpty = error?.code === "FILE_EMPTY";
  if (error && !isEmpty) return { doubts: [...doubts], error, unchecked: [] };
  const { before, unread } = await recorded(warehouse, previewed);
  const { accept, onDoubt } = contract;
  const uncounted: string[] = complete ? [] : [...FURTHER_DOWN, ...COUNTS.filter((name) => accept[name] !== undefined)];
  if (!complete && accept.controlTotal.length > 0) uncounted.push("controlTotal");
  const stopped = complete ? stops.map((stop) => ({ ...stop, action: stopAction(contract) })) : [];
  const unsure = [...doubts, ...confidenceDoubts(dialect?.confidence, contract)];
  // The parser decides first, then the record of the table's files, then its columns.
  const steps = [
    [...(onDoubt === "load" ? [] : unsure.map((doubt) => ({ ...doubt, action: onDoubt }))), ...stopped],
    complete ? versionDoubts({ rows, rowsRejected, isEmpty }, contract, before) : [],
    file.hasTable
      ? newColumnDoubts(
          contract,
          diff.added.map(({ name }) => name),
        )
      : [],
  ];
  const deciding = steps.find((step) => step.length > 0) ?? [];
  const fails = deciding.some(({ action }) => action === "fail");
  const isTaken = isEmpty && (deciding.length > 0 || (file.hasTable && accept.empty === "load"));
  const shown = [...(onDoubt === "load" ? doubts : []), ...steps.flat()];
  return {
    doubts: shown.map(({ reason, evidence }) => ({ reason, evidence })),
    error: fails ? { code: "FILE_DOUBTFUL", message: heldMessage(deciding) } : isTaken ? undefined : error,
    unchecked: [...new Set([...unread, ...uncounted])],
  };
}

/** What is on record of the file's name and content, as far as the contract's guards ask for it. */
async function recorded(
  warehouse: Pick<Warehouse, "recordedContents" | "reads">,
  { file: { sourceFile, contentHash, hasTable }, contract, timeoutMs }: Previewed,
): Promise<{ before: Before; unread: string[] }> {
  const { table, accept } = contract;
  const before: Before = { rows: undefined, sameContent: undefined };
  const unread: string[] = [];
  if (!hasTable) return { before, unread };
  const compared = [
    ...(emptyAction(contract) === "load" ? [] : ["empty"]),
    ...(["shrinkMax", "growMax"] as const).filter((name) => accept[name] !== undefined),
  ];
  if (compared.length > 0) {
    const contents = await warehouse.recordedContents(table, [sourceFile]).catch(() => undefined);
    if (contents) before.rows = rowsIn(contents, contract);
    else unread.push(...compared);
  }
  if (accept.rejectsAboveUsualMax !== undefined) {
    const recent = await usualRejects(warehouse.reads, table, timeoutMs).catch(() => undefined);
    if (recent) before.usual = sumOf(recent);
    else unread.push("rejectsAboveUsualMax");
  }
  if (accept.duplicateContent !== "load") {
    const hashes = contentHash === undefined ? undefined : [contentHash];
    const same =
      hashes && (await warehouse.reads.files.sameContents(table, hashes, { timeoutMs }).catch(() => undefined));
    if (!same) unread.push("duplicateContent");
    else before.sameContent = same.find((other) => other.sourceFile !== sourceFile)?.sourceFile;
  }
  return { before, unread };
}

/** Rows of the file's newest version in the table, as the committer counts them. */
function rowsIn(contents: readonly RecordedContent[], { onDelete }: Contract): number | undefined {
  let newest: RecordedContent | undefined;
  let undoneAt = -1;
  for (const content of contents) {
    const { kind, contentOffset } = content;
    if (kind === "undone") undoneAt = Math.max(undoneAt, contentOffset);
    if (kind !== "put" && !(kind === "deleted" && onDelete === "remove")) continue;
    if (!newest || newest.contentOffset <= contentOffset) newest = content;
  }
  return newest && newest.contentOffset < undoneAt ? 0 : newest?.rows;
}
