import type { TableState } from "./table-state.ts";

/**
 * What must hold of a table for a commit to be applied. Types of the Iceberg REST specification
 * (open-api/rest-catalog-open-api.yaml, TableRequirement).
 */
export type Requirement =
  | { readonly type: "assert-create" }
  | { readonly type: "assert-table-uuid"; readonly uuid: string }
  /** undefined: the branch or tag must not exist. */
  | { readonly type: "assert-ref-snapshot-id"; readonly ref: string; readonly snapshotId: string | undefined }
  /** The field of the metadata must have this value. */
  | { readonly type: "assert-number"; readonly field: string; readonly value: number }
  | { readonly type: "other" };

/**
 * True if the table as loaded proves that the requirement does not hold. For branches this is for good: a
 * branch that has moved on comes back to a snapshot only by a rollback. `table` undefined: there is no table.
 */
export function isBroken(requirement: Requirement, table: TableState | undefined): boolean {
  if (requirement.type === "assert-create") return table !== undefined;
  if (table === undefined) return true;
  switch (requirement.type) {
    case "assert-table-uuid":
      return table.uuid !== undefined && table.uuid !== requirement.uuid;
    case "assert-ref-snapshot-id":
      return table.refs.get(requirement.ref) !== requirement.snapshotId;
    case "assert-number": {
      const found = table.numbers.get(requirement.field);
      return found !== undefined && found !== requirement.value;
    }
    case "other":
      return false;
  }
}
