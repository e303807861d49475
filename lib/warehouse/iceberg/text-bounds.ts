import { isUtf8 } from "node:buffer";
import { buffer } from "node:stream/consumers";
import { DuckDBBlobValue, DuckDBMapValue } from "@duckdb/node-api";
import { duckdb } from "../duckdb-engine/dialect.ts";
import type { TablePart } from "./gate/transactions.ts";
import type { Buckets } from "./tables/buckets.ts";

/** Reads files of metadata that are not committed yet. */
interface MetadataReader {
  rowsBeforeCommit(sql: string): Promise<unknown[][]>;
}

/** A table of a transaction. */
export interface WrittenPart extends TablePart {
  /**
   * Asked when the commit is sent. True: the transaction writes no text there whose bound may be cut, so no
   * bound needs a look.
   */
  cutsNoText?: () => boolean;
}

/**
 * DuckDB's Iceberg writer 1.5.5 cuts the lower bound of a text column at 16 bytes, also inside a character
 * (duckdb-iceberg issue 1334). DuckDB then fails in every query with a condition on that column, and Trino
 * in `$partitions`. So before a commit is sent, the manifests that it brings are read, and such bounds are
 * repaired in place: the bytes of the cut character become NUL. The bound stays as long as it was, so no
 * length in the file or in the manifest list changes; it stays a lower bound, since every byte of that
 * character is above NUL. Reading them costs half of a small commit, so a writer that knows its texts says
 * that there is nothing to repair.
 */
export class TextBounds {
  readonly #session: () => MetadataReader;
  readonly #buckets: Buckets;
  /** Ids of a table's text columns, by the name that the commit has. */
  readonly #textIds: (name: string) => ReadonlySet<number>;
  /** Manifest lists that are repaired: a commit may be sent again. */
  readonly #done = new Set<string>();
  /** By the table's name in the catalog; a table is in one transaction at a time. */
  readonly #written = new Map<string, WrittenPart>();

  constructor(options: {
    session: () => MetadataReader;
    buckets: Buckets;
    textIds: (name: string) => ReadonlySet<number>;
  }) {
    this.#session = options.session;
    this.#buckets = options.buckets;
    this.#textIds = options.textIds;
  }

  /** Runs a transaction of these parts. */
  async during<T>(parts: readonly WrittenPart[], transaction: () => Promise<T>): Promise<T> {
    for (const part of parts) this.#written.set(part.table.name, part);
    try {
      return await transaction();
    } finally {
      for (const { table } of parts) this.#written.delete(table.name);
    }
  }

  /** Repairs the manifests of a commit, which `body` is and `path` names. */
  async repair(path: string, body: string): Promise<void> {
    for (const { table, lists, addedTextIds } of addedIn(path, body)) {
      if (this.#written.get(table)?.cutsNoText?.()) continue;
      for (const { manifestList, sequenceNumber } of lists) {
        if (this.#done.has(manifestList)) continue;
        await this.#repairList(manifestList, sequenceNumber, new Set([...this.#textIds(table), ...addedTextIds]));
        this.#done.add(manifestList);
        if (this.#done.size > DONE_MAX) this.#done.delete([...this.#done][0]!);
      }
    }
  }

  async #repairList(list: string, sequenceNumber: number, textIds: ReadonlySet<number>): Promise<void> {
    if (textIds.size === 0) return;
    const manifests = await this.#session().rowsBeforeCommit(
      `SELECT manifest_path FROM read_avro(${duckdb.stringLiteral(list)})
       WHERE content = 0 AND sequence_number = ${sequenceNumber}`,
    );
    for (const [manifest] of manifests) {
      const path = String(manifest);
      const rows = await this.#session().rowsBeforeCommit(
        `SELECT data_file.lower_bounds FROM read_avro(${duckdb.stringLiteral(path)}) WHERE status <> 2`,
      );
      const broken = rows.flatMap(([bounds]) => brokenIn(bounds, textIds));
      if (broken.length > 0) await this.#rewrite(path, broken);
    }
  }

  async #rewrite(path: string, broken: readonly Buffer[]): Promise<void> {
    const place = await this.#buckets.at(path);
    if (!place) throw new Error(`${path} is not in an S3 bucket`);
    const { store, key } = place;
    const before = await buffer((await store.get(key)).body);
    await store.put(key, withRepaired(before, broken), { sizeBytes: before.length });
  }
}

const DONE_MAX = 1_000;

interface Update {
  action?: unknown;
  snapshot?: { "manifest-list"?: unknown; "sequence-number"?: unknown };
  schema?: { fields?: readonly { id?: unknown; type?: unknown }[] };
}

interface Change {
  identifier?: { name?: string };
  updates?: readonly Update[];
}

/** The manifest lists that a commit adds to a table, and the ids of its new text columns. */
interface Added {
  table: string;
  lists: { manifestList: string; sequenceNumber: number }[];
  addedTextIds: number[];
}

function addedIn(path: string, body: string): Added[] {
  const read = JSON.parse(body) as Change & { "table-changes"?: readonly Change[] };
  return (read["table-changes"] ?? [read]).map((change) => {
    const name = change.identifier?.name ?? decodeURIComponent(/\/tables\/([^/?]+)/.exec(path)?.[1] ?? "");
    const lists = (change.updates ?? []).flatMap(({ action, snapshot }) => {
      const manifestList = snapshot?.["manifest-list"];
      if (action !== "add-snapshot" || typeof manifestList !== "string") return [];
      return [{ manifestList, sequenceNumber: Number(snapshot?.["sequence-number"]) }];
    });
    const fields = (change.updates ?? []).flatMap(({ schema }) => schema?.fields ?? []);
    const addedTextIds = fields.filter(({ type }) => type === "string").map(({ id }) => Number(id));
    return { table: name, lists, addedTextIds };
  });
}

function brokenIn(bounds: unknown, textIds: ReadonlySet<number>): Buffer[] {
  if (!(bounds instanceof DuckDBMapValue)) return [];
  return bounds.entries.flatMap(({ key, value }) => {
    if (!textIds.has(Number(key)) || !(value instanceof DuckDBBlobValue)) return [];
    const bound = Buffer.from(value.bytes);
    return isUtf8(bound) ? [] : [bound];
  });
}

/** A lower bound in UTF-8, as long as `bound`: the bytes of the cut character become NUL. */
export function repaired(bound: Buffer): Buffer {
  let end = bound.length;
  while (end > 0 && !isUtf8(bound.subarray(0, end))) end--;
  return Buffer.concat([bound.subarray(0, end), Buffer.alloc(bound.length - end)]);
}

/**
 * A manifest whose broken bounds are repaired; `broken` has each as often as the manifest. @throws Error if
 * the bytes of a bound stand there more often or less: the file is compressed, or a partition's value has
 * the same bytes
 */
export function withRepaired(manifest: Buffer, broken: readonly Buffer[]): Buffer {
  const next = Buffer.from(manifest);
  const times = new Map<string, number>();
  for (const bound of broken) times.set(bound.toString("hex"), (times.get(bound.toString("hex")) ?? 0) + 1);
  for (const [hex, expected] of times) {
    const bound = Buffer.from(hex, "hex");
    // Avro writes a value's length before it.
    const length = avroLong(bound.length);
    const value = Buffer.concat([length, bound]);
    const places: number[] = [];
    for (let at = next.indexOf(value); at >= 0; at = next.indexOf(value, at + value.length)) places.push(at);
    if (places.length !== expected)
      throw new Error(`a manifest has the bytes of a bound ${places.length} times, not ${expected} times`);
    for (const at of places) repaired(bound).copy(next, at + length.length);
  }
  return next;
}

/** A length in Avro's zigzag code. */
function avroLong(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value * 2; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) | 128);
  }
}
