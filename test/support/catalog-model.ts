import { ExactNumber, exactText, parseForReading } from "../../lib/warehouse/iceberg/gate/exact-json.ts";

/** A snapshot in the model. Its data is one file: its manifest list. */
export interface ModelSnapshot {
  id: string;
  parentId: string | undefined;
  timestampMs: number;
  file: string;
  summary: Record<string, string>;
}

export interface ModelTable {
  uuid: string;
  main: string | undefined;
  snapshots: ModelSnapshot[];
  properties: Map<string, string>;
  /** The answer to a load, until the table changes. */
  loaded?: string | undefined;
}

export interface ModelAnswer {
  status: number;
  body: string;
}

interface ChangeJson {
  identifier?: { namespace: string[]; name: string };
  requirements: Record<string, unknown>[];
  updates: Record<string, unknown>[];
}

/**
 * An Iceberg REST catalog in memory: load, commit of one table, and `transactions/commit`, which is atomic or
 * applies the tables one after the other. It does what the specification asks and no more: a snapshot's id may
 * come twice, as some catalogs let it, so that only the requirements keep a commit from being applied twice.
 */
export class CatalogModel {
  readonly tables = new Map<string, ModelTable>();
  readonly isAtomic: boolean;
  nowMs = 0;

  constructor(isAtomic: boolean) {
    this.isAtomic = isAtomic;
  }

  create(key: string): ModelTable {
    const table: ModelTable = { uuid: `uuid-of-${key}`, main: undefined, snapshots: [], properties: new Map() };
    this.tables.set(key, table);
    return table;
  }

  /** `upTo`: not atomic and it stops, without an answer, after so many tables. */
  handle(method: string, path: string, body: string, upTo = Infinity): ModelAnswer {
    const [plain] = path.split("?");
    const at = /^\/v1\/lake\/namespaces\/([^/]+)\/tables\/([^/]+)$/.exec(plain!);
    const named = at ? JSON.stringify([...decodeURIComponent(at[1]!).split("\u001f"), decodeURIComponent(at[2]!)]) : "";
    if (method === "GET" && at) return this.#load(named);
    if (method !== "POST") return error(405, "BadRequestException", "no such operation");
    const read = parseForReading(body) as ChangeJson & { "table-changes"?: ChangeJson[] };
    const changes = at
      ? [{ key: named, change: read as ChangeJson }]
      : (read["table-changes"] ?? []).map((change) => ({ key: keyOf(change), change }));
    if (this.isAtomic) {
      for (const { key, change } of changes) {
        const broken = this.#broken(key, change);
        if (broken) return broken;
      }
    }
    for (const [index, { key, change }] of changes.entries()) {
      if (!this.isAtomic && index >= upTo) return error(500, "CommitStateUnknownException", "stopped in the middle");
      const broken = this.#broken(key, change);
      if (broken) return broken;
      this.#apply(key, change);
    }
    return at ? this.#load(named) : { status: 204, body: "" };
  }

  #load(key: string): ModelAnswer {
    const table = this.tables.get(key);
    if (!table) return error(404, "NoSuchTableException", `no table ${key}`);
    return { status: 200, body: (table.loaded ??= textOf(table)) };
  }

  #broken(key: string, { requirements }: ChangeJson): ModelAnswer | undefined {
    const table = this.tables.get(key);
    for (const { type, uuid, ...rest } of requirements) {
      const conflict = (what: string): ModelAnswer => error(409, "CommitFailedException", `${key}: ${what}`);
      if (type === "assert-create" && table) return conflict("the table exists");
      if (type !== "assert-create" && !table) return error(404, "NoSuchTableException", `no table ${key}`);
      if (type === "assert-table-uuid" && table?.uuid !== uuid) return conflict("another uuid");
      if (type === "assert-ref-snapshot-id" && table?.main !== (digits(rest["snapshot-id"]) ?? undefined))
        return conflict("branch main has changed");
    }
    return undefined;
  }

  #apply(key: string, { updates }: ChangeJson): void {
    const table = this.tables.get(key) ?? this.create(key);
    table.loaded = undefined;
    for (const update of updates) {
      if (update["action"] === "assign-uuid") table.uuid = update["uuid"] as string;
      if (update["action"] === "set-snapshot-ref") table.main = digits(update["snapshot-id"])!;
      if (update["action"] === "set-properties")
        for (const [name, value] of Object.entries(update["updates"] as Record<string, string>))
          table.properties.set(name, value);
      if (update["action"] === "add-snapshot") {
        const snapshot = update["snapshot"] as Record<string, unknown>;
        table.snapshots.push({
          id: digits(snapshot["snapshot-id"])!,
          parentId: digits(snapshot["parent-snapshot-id"]),
          timestampMs: this.nowMs,
          file: snapshot["manifest-list"] as string,
          summary: snapshot["summary"] as Record<string, string>,
        });
      }
    }
  }

  /** The snapshots of the branch main, oldest first. */
  history(key: string): ModelSnapshot[] {
    const table = this.tables.get(key);
    const found: ModelSnapshot[] = [];
    let next = table?.main;
    while (next !== undefined) {
      const snapshot: ModelSnapshot = table!.snapshots.find(({ id }) => id === next)!;
      found.unshift(snapshot);
      next = snapshot.parentId;
    }
    return found;
  }
}

/** The body of a load. */
function textOf(table: ModelTable): string {
  const snapshots = table.snapshots.map(({ id, parentId, timestampMs, file, summary }) => ({
    "snapshot-id": new ExactNumber(id),
    ...(parentId === undefined ? {} : { "parent-snapshot-id": new ExactNumber(parentId) }),
    "timestamp-ms": timestampMs,
    "manifest-list": file,
    summary,
  }));
  const metadata = {
    "format-version": 2,
    "table-uuid": table.uuid,
    "current-schema-id": 0,
    ...(table.main === undefined
      ? {}
      : {
          "current-snapshot-id": new ExactNumber(table.main),
          refs: { main: { "snapshot-id": new ExactNumber(table.main), type: "branch" } },
        }),
    properties: Object.fromEntries(table.properties),
    snapshots,
  };
  return exactText({ "metadata-location": "s3://lake/metadata.json", metadata });
}

const keyOf = ({ identifier }: ChangeJson): string => JSON.stringify([...identifier!.namespace, identifier!.name]);
const digits = (value: unknown): string | undefined =>
  typeof value === "number" ? String(value) : typeof value === "string" ? value : undefined;

/** In the words of the REST specification. */
export const error = (code: number, type: string, message: string): ModelAnswer => ({
  status: code,
  body: JSON.stringify({ error: { message, type, code } }),
});
