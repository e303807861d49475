import { isDeepStrictEqual } from "node:util";
import type { Contract } from "../../../../lib/contract/contract.ts";
import { TributaryError } from "../../../../lib/errors.ts";
import { withRawBytes } from "../../../../lib/file-versions/history.ts";
import type { RecordedVersion } from "../../../../lib/file-versions/ledger.ts";
import type { VersionEvent } from "../../../../lib/messages/repetition.ts";
import { missingMessage, partsOf } from "../../../../lib/rebuild/versions.ts";
import { makeLedger } from "../../files/ledger.ts";
import type { GatewayDeps } from "../../http/deps.ts";
import { printable } from "../../http/names.ts";

/** What a renaming publishes under the new name, and what keeps it from doing so. */
export interface RenamePlan {
  contract: Contract;
  /** The versions that brought the table about, in the order in which they came. */
  versions: VersionEvent[];
  /** By the offset of a content's event: rows that it brought. */
  rowsOf: ReadonlyMap<number, number>;
  bytes: number;
  /** Rows of the table now. */
  rows: number;
  /** How much is on record of the table: the drop at the end takes place only if it is not more. */
  recorded: { files: number; at: number };
  missing: string[];
  held: string[];
  /** Files whose newest version failed: they are not in the table, and stay behind. */
  failed: string[];
  /** Files on their way. */
  waiting: number;
  /** Tables whose checks look into the table. */
  checkedBy: string[];
  /** Why the renaming is refused, as sentences. */
  problems: string[];
}

export type PlanDeps = Pick<GatewayDeps, "log" | "blob" | "warehouse" | "contracts" | "settings" | "view">;

/** @throws NOT_FOUND if the table has no rows of a file; CONTRACT_INVALID */
export async function planRename(deps: PlanDeps, from: string, to: string): Promise<RenamePlan> {
  const { warehouse, settings, view, contracts } = deps;
  const limits = { timeoutMs: settings.TRIBUTARY_QUERY_TIMEOUT };
  const contract = contracts.of(from);
  const ledger = makeLedger(warehouse, limits);
  const rows = (await warehouse.describe(from)) ? await warehouse.reads.rowCount(from, limits) : 0;
  // What is recorded from here on is more than the renaming has seen.
  const records = await ledger.versions(from, "replace");
  const { parts } = await partsOf({ ...deps, ledger }, contract);
  const versions = parts.flat().sort((a, b) => a.offset - b.offset);
  if (versions.length === 0) throw new TributaryError("NOT_FOUND", `table '${from}' has no rows of a file`);
  const { missing } = await withRawBytes(deps, versions);
  const held = records.filter(({ isHeld }) => isHeld).map(({ sourceFile }) => sourceFile);
  const setAside = await ledger.setAside(from);
  const checkedBy = contracts
    .declared()
    .filter(({ table, checks }) => table !== from && namesIn(checks).includes(from));
  return {
    contract,
    versions,
    rowsOf: rowsIn(records),
    bytes: versions.reduce((sum, { event }) => sum + event.sizeBytes, 0),
    rows,
    recorded: { files: records.length, at: records.reduce((max, { sourceOffset }) => Math.max(max, sourceOffset), -1) },
    missing: [...new Set(missing.map(({ event }) => event.sourceFile))],
    held,
    failed: failedIn(records, setAside),
    waiting: view.lag(from).files,
    checkedBy: checkedBy.map(({ table }) => table),
    problems: [
      ...contractProblems(contract, contracts.of(to)),
      ...(missing.length > 0 ? [missingMessage(missing)] : []),
      ...(held.length > 0
        ? [`accept or refuse the held ${held.length === 1 ? "file" : "files"} ${listed(held)} first`]
        : []),
    ],
  };
}

/** Rows of the last outcome of each content that did not fail. */
function rowsIn(records: readonly RecordedVersion[]): Map<number, number> {
  const rows = new Map<number, number>();
  for (const { isFailed, operation, contentOffset, sourceOffset, rowsCommitted } of records) {
    if (!isFailed && operation === null) rows.set(contentOffset ?? sourceOffset, rowsCommitted);
  }
  return rows;
}

function failedIn(records: readonly RecordedVersion[], setAside: ReadonlySet<string>): string[] {
  const newest = new Map<string, RecordedVersion>();
  for (const record of records) {
    if (record.operation === null && !setAside.has(record.fileId)) newest.set(record.sourceFile, record);
  }
  return [...newest.values()].filter(({ isFailed }) => isFailed).map(({ sourceFile }) => sourceFile);
}

/** Checks look at the table and decide nothing about its rows. They may name it. */
function contractProblems(old: Contract, given: Contract): string[] {
  const rowsOnly = ({ table: _, checks: __, ...rest }: Contract): object => rest;
  if (isDeepStrictEqual(rowsOnly(old), rowsOnly(given))) return [];
  return [
    `the contract of '${given.table}' differs from that of '${old.table}': ` +
      `copy it to contracts/${given.table}.yml, with table: ${given.table}`,
  ];
}

const namesIn = (checks: Contract["checks"]): string[] =>
  checks.flatMap((check) => ("references" in check ? [check.references.table] : []));

const NAMED_MAX = 10;

/** Some of the names, for a message. */
export function listed(names: readonly string[]): string {
  const more = names.length > NAMED_MAX ? ` and ${names.length - NAMED_MAX} more` : "";
  const named = names.slice(0, NAMED_MAX).map((name) => `'${printable(name)}'`);
  return named.join(", ") + more;
}
