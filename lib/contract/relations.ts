import { z } from "zod";
import { AUDIT_COLUMNS } from "../columns.ts";
import { nearestOf } from "../nearest.ts";

const text = z.string().optional().catch(undefined);

/** What can be read of a contract that may have other faults. An absent or unusable field says nothing. */
const sketchSchema = z
  .object({
    columns: z.array(z.object({ name: text }).catch({ name: undefined })).catch([]),
    checks: z.array(z.object({ name: text, column: text }).catch({ name: undefined, column: undefined })).catch([]),
    key: z.array(text).catch([]),
    writeMode: z.enum(["replace", "upsert", "append"]).default("replace").or(z.literal("unknown")).catch("unknown"),
    deleteMissing: z.boolean().catch(false),
    onDelete: z.string().catch("keep"),
    unexpectedColumns: z.string().default("add").catch("add"),
  })
  .catch({
    columns: [],
    checks: [],
    key: [],
    writeMode: "unknown",
    deleteMissing: false,
    onDelete: "keep",
    unexpectedColumns: "add",
  });

type Sketch = z.infer<typeof sketchSchema>;

export interface RelationFault {
  path: (string | number)[];
  message: string;
}

/** The faults between fields of a contract, also of one whose single fields have faults. */
export function relationFaults(given: unknown): RelationFault[] {
  const sketch = sketchSchema.parse(given);
  return [...columnFaults(sketch), ...keyFaults(sketch), ...checkFaults(sketch)];
}

const isRepeated = (name: string | undefined, index: number, names: readonly (string | undefined)[]): boolean =>
  name !== undefined && names.indexOf(name) !== index;

function columnFaults({ columns }: Sketch): RelationFault[] {
  const names = columns.map(({ name }) => name);
  return names.flatMap((name, index) => {
    const path = ["columns", index, "name"];
    if (isRepeated(name, index, names)) return [{ path, message: `'${name}' is declared twice` }];
    const isAudit = AUDIT_COLUMNS.some((audit) => audit.name === name);
    return isAudit ? [{ path, message: `'${name}' is an audit column` }] : [];
  });
}

function keyFaults({ columns, key, writeMode, deleteMissing, onDelete }: Sketch): RelationFault[] {
  const faults: RelationFault[] = [];
  if (writeMode === "upsert" && key.length === 0)
    faults.push({ path: ["key"], message: "writeMode upsert needs a key" });
  if (writeMode === "replace" || writeMode === "append") {
    if (key.length > 0) faults.push({ path: ["key"], message: "a key needs writeMode upsert" });
    if (deleteMissing) faults.push({ path: ["deleteMissing"], message: "needs writeMode upsert" });
  }
  const keepsRows = writeMode === "append" || (writeMode === "upsert" && !deleteMissing);
  if (onDelete === "remove" && keepsRows) {
    const message = "remove needs writeMode replace, or upsert with deleteMissing: other tables keep the rows";
    faults.push({ path: ["onDelete"], message });
  }
  key.forEach((name, index) => {
    if (name === undefined || columns.length === 0 || columns.some((column) => column.name === name)) return;
    faults.push({ path: ["key", index], message: `'${name}' is not a declared column` });
  });
  return faults;
}

/** Shorter names resemble each other by chance. */
const MISSPELT_CHARS_MIN = 5;
const withoutDigits = (name: string): string => name.replace(/\d+/g, "#");

/**
 * Checks with a repeated name, and checks of a column that cannot exist: the contract admits no other
 * columns, or the name is a slip of a declared one.
 */
function checkFaults({ columns, checks, unexpectedColumns }: Sketch): RelationFault[] {
  const names = checks.map(({ name }) => name);
  const declared = columns.flatMap(({ name }) => (name === undefined ? [] : [name]));
  return checks.flatMap(({ name, column }, index) => {
    const repeated = isRepeated(name, index, names)
      ? [{ path: ["checks", index, "name"], message: `'${name}' is the name of another check` }]
      : [];
    if (column === undefined || declared.length === 0 || column.startsWith("_") || declared.includes(column))
      return repeated;
    const path = ["checks", index, "column"];
    const near = nearestOf(column, declared);
    const meant = near === undefined ? "" : `: did you mean '${near}'?`;
    if (unexpectedColumns !== "add")
      return [...repeated, { path, message: `'${column}' is not a declared column${meant}` }];
    const isSlip =
      near !== undefined && column.length >= MISSPELT_CHARS_MIN && withoutDigits(column) !== withoutDigits(near);
    if (!isSlip) return repeated;
    const message = `'${column}' is not a declared column${meant} If the files have both, declare both`;
    return [...repeated, { path, message }];
  });
}
