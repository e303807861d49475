import { randomUUID } from "node:crypto";
import { TributaryError, type ErrorCode } from "../../../errors.ts";
import type { Outcome } from "./outcome.ts";
import type { SnapshotState } from "./table-state.ts";
import { tableKey, type Announced, type Base, type Summary, type TableName } from "./request.ts";

/** Properties of a snapshot's summary that the gate adds. */
export const TRANSACTION_PROPERTY = "tributary.transaction";
/** The keys (`tableKey`) of all tables to which the transaction's commit adds a snapshot, as a JSON array. */
export const TABLES_PROPERTY = "tributary.tables";
/** Properties of others, such as `added-records`, have no such prefix. */
const PREFIX = "tributary.";

/** A table that a transaction may change, and what its new snapshot's summary gets. */
export interface TablePart {
  table: TableName;
  /** Names begin with `tributary.`: the watermark, file ids. */
  summary: Summary;
  /**
   * The snapshot that the caller read the watermark from; `snapshotId` undefined: the table has none. A
   * commit that builds on another is refused: somebody has committed between that read and the writer's,
   * perhaps the same rows. Absent: the commit may build on any.
   */
  base?: Base | undefined;
  /**
   * A change of the table that goes along with the writer's commit, as `transactions/commit` has it. Asked
   * when the commit is sent; undefined: the writer changes the table itself, or nobody does.
   */
  joins?: () => string | undefined;
}

/** A transaction of the writer, from before its COMMIT until that has ended. */
export interface OpenTransaction {
  readonly id: string;
  readonly parts: ReadonlyMap<string, TablePart>;
  /** One for each commit request. DuckDB sends one for each table if the transaction makes a table. */
  readonly commits: SentCommit[];
}

interface SentCommit {
  readonly keys: readonly string[];
  /** The snapshots that it adds to each table, oldest first. */
  readonly snapshots: ReadonlyMap<string, readonly SnapshotState[]>;
  readonly outcome: Promise<Outcome>;
}

/** The open transactions. A table is in one at a time. */
export class Transactions {
  readonly #byTable = new Map<string, OpenTransaction>();

  begin(parts: readonly TablePart[], id: string = randomUUID()): OpenTransaction {
    const byKey = new Map(parts.map((part) => [tableKey(part.table), part]));
    const taken = [...byKey.keys()].filter((key) => this.#byTable.has(key));
    if (taken.length > 0) throw new Error(`a transaction is open for ${taken.join(", ")}: a table has one writer`);
    const foreign = parts.flatMap(({ summary }) => Object.keys(summary)).filter((name) => !isOurs(name));
    if (foreign.length > 0) throw new Error(`summary properties must begin with ${PREFIX}: ${foreign.join(", ")}`);
    const transaction = { id, parts: byKey, commits: [] };
    for (const key of byKey.keys()) this.#byTable.set(key, transaction);
    return transaction;
  }

  end({ parts }: OpenTransaction): void {
    for (const key of parts.keys()) this.#byTable.delete(key);
  }

  of(key: string): OpenTransaction | undefined {
    return this.#byTable.get(key);
  }

  /** The changes that go along with a commit to these tables: the first one of their transaction. */
  joining([key]: readonly string[]): string[] {
    const transaction = key === undefined ? undefined : this.of(key);
    if (!transaction || transaction.commits.length > 0) return [];
    return [...transaction.parts.values()].flatMap(({ joins }) => joins?.() ?? []);
  }

  /** What was announced of a table. undefined: the commit's tables are not in one open transaction. */
  announced(key: string, keys: readonly string[]): Announced | undefined {
    const transaction = this.of(key);
    const part = transaction?.parts.get(key);
    if (!transaction || !part || keys.some((other) => this.of(other) !== transaction)) return undefined;
    const own = { [TRANSACTION_PROPERTY]: transaction.id, [TABLES_PROPERTY]: `[${keys.toSorted().join(",")}]` };
    return { summary: { ...part.summary, ...own }, base: part.base };
  }
}

const isOurs = (name: string): boolean =>
  name.startsWith(PREFIX) && name !== TRANSACTION_PROPERTY && name !== TABLES_PROPERTY;

/** What became of a transaction. */
export interface TransactionResult {
  /** `nothing`: the writer sent no commit. */
  readonly kind: "nothing" | Outcome["kind"];
  readonly id: string;
  /** Keys of tables that have their change. */
  readonly committed: readonly string[];
  /** Keys of tables that have it not, or of which nobody knows (`unknown`, or `partial` and not final). */
  readonly missing: readonly string[];
  readonly message: string;
  /** Of a refusal. */
  readonly status: number | undefined;
  /** The new snapshots of each committed table, oldest first: what the catalog has now. */
  readonly snapshots: ReadonlyMap<string, readonly SnapshotState[]>;
}

/** The transaction is not, or not certainly, committed as a whole. `result` says what is. */
export class CommitError extends TributaryError {
  readonly result: TransactionResult;

  constructor(result: TransactionResult, cause?: unknown) {
    super(codeOf(result), textOf(result), cause === undefined ? {} : { cause });
    this.name = "CommitError";
    this.result = result;
  }
}

export async function resultOf({ id, commits }: OpenTransaction): Promise<TransactionResult> {
  const ended = await Promise.all(commits.map(async ({ keys, outcome }) => ({ keys, outcome: await outcome })));
  const committed = ended.flatMap(({ outcome }) => ("committed" in outcome ? outcome.committed : []));
  const missing = ended.flatMap(({ keys, outcome }) =>
    outcome.kind === "partial" ? outcome.missing : outcome.kind === "committed" ? [] : keys,
  );
  const failed = ended.map(({ outcome }) => outcome).filter(({ kind }) => kind !== "committed");
  const [worst] = failed.toSorted((a, b) => RANKS.indexOf(b.kind) - RANKS.indexOf(a.kind));
  const snapshots = new Map(committed.map((key) => [key, commits.flatMap((one) => one.snapshots.get(key) ?? [])]));
  const common = { id, committed, missing, snapshots, message: worst && "message" in worst ? worst.message : "" };
  const status = worst?.kind === "refused" ? worst.status : undefined;
  if (!worst) return { ...common, kind: commits.length === 0 ? "nothing" : "committed", status };
  const isPartial = worst.kind !== "unknown" && committed.length > 0;
  return { ...common, kind: isPartial ? "partial" : worst.kind, status };
}

/** The more is uncertain, the higher. */
const RANKS: readonly Outcome["kind"][] = ["committed", "refused", "unavailable", "partial", "unknown"];

const NOT_PERMITTED = new Set([401, 403, 419]);
/** The table has changed, or is another one. */
const CHANGED = new Set([404, 409]);

function codeOf({ kind, status }: TransactionResult): ErrorCode {
  if (kind === "partial") return "WAREHOUSE_CONFLICT";
  if (kind !== "refused" || status === undefined) return "WAREHOUSE_UNAVAILABLE";
  if (CHANGED.has(status)) return "WAREHOUSE_CONFLICT";
  return NOT_PERMITTED.has(status) ? "WAREHOUSE_REFUSED" : "WAREHOUSE_FAILED";
}

function textOf({ kind, committed, missing, message }: TransactionResult): string {
  const tables = missing.join(", ");
  if (kind === "partial")
    return `the catalog committed ${committed.join(", ")} and not ${tables}: it is not atomic (${message})`;
  if (kind === "unknown") return `nobody knows yet whether the commit to ${tables} was applied: ${message}`;
  return `the commit to ${tables} was not applied: ${message}`;
}
