import { ExactNumber, exactText } from "../../lib/warehouse/iceberg/gate/exact-json.ts";
import { readTable, type TableState } from "../../lib/warehouse/iceberg/gate/table-state.ts";
import type { ModelAnswer } from "./catalog-model.ts";

/** How the writer reaches the gate. `undefined`: no answer. */
export type WriterSend = (method: string, path: string, body: string) => Promise<ModelAnswer | undefined>;

export interface WriterOptions {
  send: WriterSend;
  /** Deletes a data file. */
  remove: (file: string) => void;
  random: () => number;
  /**
   * The writer has left the gate before the answer, for the last time. The gate's `onAbandoned` ends the process at
   * once, so this does not return there: otherwise the writer would delete files that may be committed.
   */
  onAbandoned?: () => Promise<never>;
  /** A commit for each table, as DuckDB does where a transaction makes a table. */
  isTableByTable?: boolean;
  /** Leaves out the assertion of a table without a snapshot: duckdb-iceberg v1.5 does so beside a new table. */
  isCareless?: boolean;
}

export interface ModelName {
  namespace: string[];
  name: string;
}

/** DuckDB's HTTP client repeats after these, three times (duckdb v1.5, HTTPResponse::ShouldRetry). */
const REPEATED = new Set([408, 418, 429, 500, 503, 504]);
const REPETITIONS_MAX = 3;

/**
 * What DuckDB's Iceberg writer does in a transaction, after duckdb-iceberg v1.5 (IcebergTransaction): it loads the
 * tables, writes a file for each and commits. If the commit fails, it deletes the files of all tables that it
 * does not know to be committed.
 */
export async function writeAndCommit(tables: readonly ModelName[], options: WriterOptions): Promise<void> {
  const { send, random, isCareless = false } = options;
  const changes: { table: ModelName; file: string; change: object }[] = [];
  for (const table of tables) {
    const loaded = await repeated(send, "GET", pathOf(table), "");
    const state = loaded?.status === 200 ? readTable(loaded.body) : undefined;
    if (!state) {
      for (const { file } of changes) options.remove(file);
      throw new Error(`cannot load ${table.name}: ${loaded?.status ?? "no answer"}`);
    }
    changes.push({ table, ...appendTo(table, state, { random, isCareless }) });
  }
  await commit(changes, options);
}

/** A file, and the change that adds it to a table. */
export function appendTo(
  table: ModelName,
  state: TableState,
  { random, isCareless = false }: Pick<WriterOptions, "random" | "isCareless">,
): { file: string; change: object } {
  const id = newId(random);
  const parent = state.refs.get("main");
  const file = `${table.name}-${id}.avro`;
  const requirements: object[] = [{ type: "assert-table-uuid", uuid: state.uuid }];
  const expected = parent === undefined ? null : new ExactNumber(parent);
  if (!isCareless || parent !== undefined)
    requirements.push({ type: "assert-ref-snapshot-id", ref: "main", "snapshot-id": expected });
  const snapshot = {
    "snapshot-id": new ExactNumber(id),
    ...(parent === undefined ? {} : { "parent-snapshot-id": new ExactNumber(parent) }),
    "sequence-number": state.snapshots.size + 1,
    "manifest-list": file,
    summary: { operation: "append" },
  };
  const updates = [
    { action: "add-snapshot", snapshot },
    { action: "set-snapshot-ref", "ref-name": "main", type: "branch", "snapshot-id": new ExactNumber(id) },
  ];
  return { file, change: { requirements, updates, identifier: table } };
}

async function commit(
  changes: readonly { table: ModelName; file: string; change: object }[],
  { send, remove, onAbandoned, isTableByTable = false }: WriterOptions,
): Promise<void> {
  const committed = new Set<string>();
  const requests = isTableByTable
    ? changes.map(({ table, file, change }) => ({ path: pathOf(table), body: exactText(change), files: [file] }))
    : [
        {
          path: "/v1/lake/transactions/commit",
          body: exactText({ "table-changes": changes.map(({ change }) => change) }),
          files: changes.map(({ file }) => file),
        },
      ];
  for (const { path, body, files } of requests) {
    const answer = await repeated(send, "POST", path, body);
    if (answer?.status === 200 || answer?.status === 204) {
      for (const file of files) committed.add(file);
      continue;
    }
    if (answer === undefined) await onAbandoned?.();
    for (const { file } of changes) if (!committed.has(file)) remove(file);
    throw new Error(`commit failed: ${answer?.status ?? "no answer"} ${answer?.body ?? ""}`);
  }
}

async function repeated(
  send: WriterSend,
  method: string,
  path: string,
  body: string,
): Promise<ModelAnswer | undefined> {
  for (let repetitions = 0; ; repetitions++) {
    const answer = await send(method, path, body);
    if ((answer && !REPEATED.has(answer.status)) || repetitions === REPETITIONS_MAX) return answer;
  }
}

export const pathOf = ({ namespace, name }: ModelName): string =>
  `/v1/lake/namespaces/${namespace.map(encodeURIComponent).join("%1F")}/tables/${encodeURIComponent(name)}`;

/** 63 random bits: most are beyond what a JavaScript number holds. */
export const newId = (random: () => number): string =>
  String((BigInt(Math.floor(random() * 2 ** 31)) << 32n) | BigInt(Math.floor(random() * 2 ** 32)));
