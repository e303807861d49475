import type { Contract } from "../contract/contract.ts";
import { everyVersion, withoutUndone, type VersionHistoryDeps } from "../file-versions/history.ts";
import { isShown, type VersionLedger } from "../file-versions/ledger.ts";
import { contentOf, isRepetition, versionOf, type VersionEvent } from "../messages/repetition.ts";

/**
 * Candidates for one part of the table, newest first: the first with a row that loads, or
 * without any row. They end with the version that the table shows now: what that one replaced does not come
 * back. In upsert and append tables every version is a part of its own.
 */
export type Part = readonly [VersionEvent, ...VersionEvent[]];

/** A version as the ledger has it: the last record of its content. */
export interface OnRecord {
  fileId: string;
  sourceOffset: number;
  rowsRejected: number;
  /** A row of it came into the table, or it has none. */
  isShown: boolean;
}

/** What a table is made of. */
export interface Parts {
  /** In the order in which they were applied. */
  parts: Part[];
  /** By the offset of a content's event. */
  records: ReadonlyMap<number, OnRecord>;
}

/**
 * The versions that make up the table: in replace tables the newest of each file, else all that were
 * applied. Without those that failed, are held or refused, or were undone, and without what was sent from
 * `before` on.
 */
export async function partsOf(
  deps: VersionHistoryDeps,
  { table, writeMode, onDelete }: Pick<Contract, "table" | "writeMode" | "onDelete">,
  before = Infinity,
): Promise<Parts> {
  const records = await appliedContents(deps.ledger, table);
  const all = (await everyVersion(deps, table, writeMode)).filter(({ offset }) => offset < before);
  const applied = withoutUndone(all).filter(
    (item) =>
      !isRepetition(item) && records.has(contentOf(item)) && (item.event.kind === "put" || onDelete === "remove"),
  );
  if (writeMode !== "replace") {
    return { parts: applied.sort((a, b) => a.offset - b.offset).map((item) => [item]), records };
  }
  const ofFile = new Map<string, VersionEvent[]>();
  for (const item of applied.sort(newestFirst)) {
    const { sourceFile } = item.event;
    ofFile.set(sourceFile, [...(ofFile.get(sourceFile) ?? []), item]);
  }
  const present = [...ofFile.values()]
    .map((versions) => untilShown(beforeDeletion(versions), records))
    .filter((versions) => versions.length > 0) as unknown as Part[];
  return { parts: present.sort(([a], [b]) => a.offset - b.offset), records };
}

const NAMED_MAX = 10;

/** Says whose raw bytes are gone. */
export function missingMessage(missing: readonly VersionEvent[]): string {
  const names = [...new Set(missing.map(({ event }) => `'${event.sourceFile}'`))];
  const more = names.length > NAMED_MAX ? ` and ${names.length - NAMED_MAX} more` : "";
  return `the raw bytes of ${names.slice(0, NAMED_MAX).join(", ")}${more} are gone`;
}

const newestFirst = (a: VersionEvent, b: VersionEvent): number => versionOf(b) - versionOf(a) || b.offset - a.offset;

/** What is older than a deletion does not come back. */
function beforeDeletion(versions: readonly VersionEvent[]): readonly VersionEvent[] {
  const deletion = versions.findIndex(({ event }) => event.kind === "deleted");
  return deletion < 0 ? versions : versions.slice(0, deletion);
}

function untilShown(versions: readonly VersionEvent[], records: Parts["records"]): readonly VersionEvent[] {
  const shown = versions.findIndex((item) => records.get(contentOf(item))!.isShown);
  return shown < 0 ? versions : versions.slice(0, shown + 1);
}

/** Contents that were applied, or whose rows were all rejected. */
async function appliedContents(ledger: VersionLedger, table: string): Promise<Map<number, OnRecord>> {
  const records = new Map<number, OnRecord>();
  // The mode limits the records of append tables to those with a row: here all are wanted.
  for (const version of await ledger.versions(table, "replace")) {
    if (version.isFailed || version.operation !== null) continue;
    const { fileId, sourceOffset, contentOffset, rowsRejected } = version;
    const content = contentOffset ?? sourceOffset;
    const wasShown = records.get(content)?.isShown ?? false;
    records.set(content, { fileId, sourceOffset, rowsRejected, isShown: isShown(version) || wasShown });
  }
  return records;
}
