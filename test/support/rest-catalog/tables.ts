import { randomUUID } from "node:crypto";

/** The tables of a fake Iceberg REST catalog: what a commit does, by the REST specification. */

type Json = Record<string, unknown>;

/** An answer that is not 2xx. */
export class Answer extends Error {
  readonly status: number;
  readonly type: string;

  constructor(status: number, type: string, message: string) {
    super(message);
    this.status = status;
    this.type = type;
  }
}

export interface FakeTable {
  /** Grows with each commit. */
  version: number;
  metadata: Json;
}

export interface FakeChange {
  requirements: Json[];
  updates: Json[];
}

const conflict = (message: string): Answer =>
  new Answer(409, "CommitFailedException", `Requirement failed: ${message}`);

/** Ids come as numbers or, if they are large, as their digits. */
const idOf = (value: unknown): bigint | undefined =>
  value === undefined || value === null ? undefined : BigInt(value as string | number);

interface Ref {
  type: string;
  "snapshot-id": bigint;
}
const refsOf = (metadata: Json): Map<string, Ref> => metadata.refs as Map<string, Ref>;

export function newTable(location: string, body: Json): FakeTable {
  const properties = { ...(body.properties as Json | undefined) };
  const formatVersion = Number(properties["format-version"] ?? 2);
  delete properties["format-version"];
  const metadata: Json = {
    "format-version": formatVersion,
    "table-uuid": randomUUID(),
    location: body.location ?? location,
    "last-sequence-number": 0,
    "last-updated-ms": Date.now(),
    "last-column-id": (body.schema as { fields: unknown[] }).fields.length,
    "current-schema-id": 0,
    schemas: [body.schema],
    "default-spec-id": 0,
    "partition-specs": [body["partition-spec"] ?? { "spec-id": 0, fields: [] }],
    "last-partition-id": 999,
    "default-sort-order-id": 0,
    "sort-orders": [body["write-order"] ?? { "order-id": 0, fields: [] }],
    properties,
    "current-snapshot-id": -1,
    refs: new Map<string, Ref>(),
    snapshots: [],
    "snapshot-log": [],
    "metadata-log": [],
  };
  return { version: 1, metadata };
}

export const locationOf = ({ metadata, version }: FakeTable): string =>
  `${String(metadata.location)}/metadata/v${version}.metadata.json`;

/** @throws Answer 409 */
export function checkRequirements(table: FakeTable | undefined, requirements: readonly Json[]): void {
  for (const { type, ...wanted } of requirements) {
    if (type === "assert-create") {
      if (table) throw conflict("the table exists");
    } else if (!table) {
      throw new Answer(404, "NoSuchTableException", "the table does not exist");
    } else if (type === "assert-table-uuid") {
      if (wanted.uuid !== table.metadata["table-uuid"]) throw conflict("UUID does not match");
    } else if (type === "assert-ref-snapshot-id") {
      const name = String(wanted.ref);
      if (refsOf(table.metadata).get(name)?.["snapshot-id"] !== idOf(wanted["snapshot-id"])) {
        throw conflict(`branch ${name} has changed`);
      }
    } else {
      throw new Answer(400, "BadRequestException", `requirement ${String(type)}`);
    }
  }
}

/** The table after the updates. The table itself stays. @throws Answer 400 */
export function applied(table: FakeTable, updates: readonly Json[]): FakeTable {
  const metadata: Json = { ...table.metadata, refs: new Map(refsOf(table.metadata)) };
  for (const update of updates) apply(metadata, update);
  metadata["last-updated-ms"] = Date.now();
  const log = { "metadata-file": locationOf(table), "timestamp-ms": Date.now() };
  metadata["metadata-log"] = [...(metadata["metadata-log"] as Json[]), log];
  return { version: table.version + 1, metadata };
}

function apply(metadata: Json, update: Json): void {
  if (update.action === "add-snapshot") {
    const given = update.snapshot as Json;
    const snapshot: Json = { ...given, "snapshot-id": idOf(given["snapshot-id"]) };
    if (given["parent-snapshot-id"] !== undefined) snapshot["parent-snapshot-id"] = idOf(given["parent-snapshot-id"]);
    const snapshots = metadata.snapshots as Json[];
    if (snapshots.some((one) => one["snapshot-id"] === snapshot["snapshot-id"])) {
      throw new Answer(400, "BadRequestException", `snapshot ${String(snapshot["snapshot-id"])} exists`);
    }
    const last = Number(metadata["last-sequence-number"]);
    if (Number(snapshot["sequence-number"]) <= last) {
      throw new Answer(400, "BadRequestException", `sequence number ${String(snapshot["sequence-number"])} <= ${last}`);
    }
    metadata["last-sequence-number"] = snapshot["sequence-number"];
    metadata.snapshots = [...snapshots, snapshot];
  } else if (update.action === "set-snapshot-ref") {
    const id = idOf(update["snapshot-id"])!;
    const name = String(update["ref-name"]);
    if (!(metadata.snapshots as Json[]).some((one) => one["snapshot-id"] === id)) {
      throw new Answer(400, "BadRequestException", `no snapshot ${id}`);
    }
    refsOf(metadata).set(name, { type: String(update.type), "snapshot-id": id });
    if (name !== "main") return;
    metadata["current-snapshot-id"] = id;
    const entry = { "snapshot-id": id, "timestamp-ms": Date.now() };
    metadata["snapshot-log"] = [...(metadata["snapshot-log"] as Json[]), entry];
  } else if (update.action === "set-properties") {
    metadata.properties = { ...(metadata.properties as Json), ...(update.updates as Json) };
  } else if (update.action === "remove-properties") {
    const removed = new Set(update.removals as string[]);
    const left = Object.entries(metadata.properties as Json).filter(([name]) => !removed.has(name));
    metadata.properties = Object.fromEntries(left);
  } else {
    throw new Answer(400, "BadRequestException", `update ${String(update.action)}`);
  }
}

/** As the catalog answers it; `newestOnly`: without the history, as Nessie answers. */
export function tableAnswer(table: FakeTable, { newestOnly = false } = {}): Json {
  const { snapshots, refs, ...rest } = table.metadata;
  const current = rest["current-snapshot-id"];
  const shown = (snapshots as Json[]).filter((one) => !newestOnly || one["snapshot-id"] === current);
  const log = (rest["snapshot-log"] as Json[]).slice(newestOnly ? -1 : 0);
  return {
    "metadata-location": locationOf(table),
    metadata: { ...rest, snapshots: shown, "snapshot-log": log, refs: Object.fromEntries(refs as Map<string, Ref>) },
    config: { "s3.endpoint": "http://127.0.0.1:1" },
  };
}
