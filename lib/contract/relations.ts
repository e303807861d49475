import { AUDIT_COLUMNS } from "../columns.ts";
import { nearestOf } from "../nearest.ts";
import { PARTITION_FORMS, partitionField } from "../tables.ts";
import { columnFaults } from "./column-relations.ts";
import type { Issue } from "./issues.ts";
import { rowRuleFaults } from "./row-rule-relations.ts";
import { sketchSchema, type Sketch, type UnknownColumn } from "./sketch.ts";

/** The faults between fields of a contract, also of one whose single fields have faults. */
export function relationFaults(given: unknown): Issue[] {
  const sketch = sketchSchema.parse(given);
  const unknown = unknownColumn(sketch);
  return [
    ...columnFaults(sketch.columns),
    ...keyFaults(sketch),
    ...partitionFaults(sketch),
    ...rowRuleFaults(sketch, unknown),
    ...checkFaults(sketch, unknown),
  ];
}

function keyFaults({ columns, key, writeMode, deleteMissing, onDelete }: Sketch): Issue[] {
  const faults: Issue[] = [];
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
  const names = namesOf(columns);
  key.forEach((name, index) => {
    if (name === undefined || names.length === 0 || names.includes(name)) return;
    faults.push({ path: ["key", index], message: `'${name}' is not a declared column${meant(name, names)}` });
  });
  return faults;
}

function partitionFaults({ columns, partitioning, unexpectedColumns }: Sketch): Issue[] {
  const known = [...namesOf(columns), ...AUDIT_COLUMNS.map(({ name }) => name)];
  return partitioning.flatMap((text, index) => {
    if (text === undefined) return [];
    const field = partitionField(text);
    if (!field)
      return [{ path: ["partitioning", index], message: `cannot partition by '${text}': use ${PARTITION_FORMS}` }];
    const name = field.column;
    if (columns.length === 0 || known.includes(name)) return [];
    const near = nearestOf(name, known);
    if (unexpectedColumns === "add" && near === undefined) return [];
    return [{ path: ["partitioning", index], message: `'${name}' is not a declared column${meant(name, known)}` }];
  });
}

const namesOf = (columns: Sketch["columns"]): string[] =>
  columns.flatMap(({ name }) => (name === undefined ? [] : [name]));

const meant = (name: string, known: readonly string[]): string => {
  const near = nearestOf(name, known);
  return near === undefined ? "" : `: did you mean '${near}'?`;
};

/** Shorter names resemble each other by chance. */
const MISSPELT_CHARS_MIN = 5;
const withoutDigits = (name: string): string => name.replace(/\d+/g, "#");

/** A name is wrong if the contract admits no other columns, or if it is a slip of a declared one. */
function unknownColumn({ columns, unexpectedColumns }: Sketch): UnknownColumn {
  const declared = namesOf(columns);
  return (name) => {
    if (declared.length === 0 || name.startsWith("_") || declared.includes(name)) return undefined;
    const near = nearestOf(name, declared);
    if (unexpectedColumns !== "add") return `'${name}' is not a declared column${meant(name, declared)}`;
    const isSlip =
      near !== undefined && name.length >= MISSPELT_CHARS_MIN && withoutDigits(name) !== withoutDigits(near);
    if (!isSlip) return undefined;
    return `'${name}' is not a declared column${meant(name, declared)} If the files have both, declare both`;
  };
}

/** Checks with a repeated name, and checks of a column that cannot exist. */
function checkFaults({ checks }: Sketch, unknown: UnknownColumn): Issue[] {
  const names = checks.map(({ name }) => name);
  return checks.flatMap(({ name, column }, index) => {
    const isRepeated = name !== undefined && names.indexOf(name) !== index;
    const message = column === undefined ? undefined : unknown(column);
    return [
      ...(isRepeated ? [{ path: ["checks", index, "name"], message: `'${name}' is the name of another check` }] : []),
      ...(message === undefined ? [] : [{ path: ["checks", index, "column"], message }]),
    ];
  });
}
