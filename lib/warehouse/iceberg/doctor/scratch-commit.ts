import { randomBytes } from "node:crypto";
import type { TableChange } from "../catalog/commit.ts";
import type { TableIdentifier, TableMetadata } from "../catalog/schemas.ts";

export interface ScratchCommit {
  id?: bigint;
  atMs: number;
  /** Kept in the snapshot's summary, beside the operation. */
  summary?: Readonly<Record<string, string>>;
}

/** A snapshot's id: positive, and beyond what a JavaScript number can hold. */
export const randomSnapshotId = (): bigint => (randomBytes(8).readBigUInt64BE() >> 1n) | (1n << 62n);

/**
 * A commit without rows on top of the table's current snapshot. It names a manifest list that nobody writes:
 * a catalog does not read it, and nobody may read the table.
 */
export function scratchCommit(identifier: TableIdentifier, base: TableMetadata, commit: ScratchCommit): TableChange {
  const { id = randomSnapshotId(), atMs, summary = {} } = commit;
  const parent = base.currentSnapshotId;
  return {
    identifier,
    requirements: [
      { type: "assert-table-uuid", uuid: base.uuid },
      { type: "assert-ref-snapshot-id", ref: "main", "snapshot-id": parent ?? null },
    ],
    updates: [
      {
        action: "add-snapshot",
        snapshot: {
          "snapshot-id": id,
          ...(parent === undefined ? {} : { "parent-snapshot-id": parent }),
          "sequence-number": base.lastSequenceNumber + 1,
          "timestamp-ms": atMs,
          "manifest-list": `${base.location}/metadata/scratch/snap-${id}.avro`,
          summary: { operation: "append", ...summary },
          "schema-id": base.schemaId,
        },
      },
      { action: "set-snapshot-ref", "ref-name": "main", type: "branch", "snapshot-id": id },
    ],
  };
}

/** The id of the snapshot that a scratch commit adds. */
export function snapshotIdOf({ updates }: TableChange): bigint {
  const added = updates.find((update) => update.action === "add-snapshot");
  if (!added) throw new Error("the commit adds no snapshot");
  return added.snapshot["snapshot-id"];
}
