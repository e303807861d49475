import { AUDIT_COLUMNS, type ColumnType } from "../columns.ts";
import { columnRuleFaults } from "../rules/column-rule.ts";
import { valueTypeOf } from "../rules/value.ts";
import type { Issue } from "./issues.ts";
import type { Sketch } from "./sketch.ts";

type Column = Sketch["columns"][number];

/** The faults between a column's fields, and between columns. */
export function columnFaults(columns: readonly Column[]): Issue[] {
  const names = columns.map(({ name }) => name);
  const faults = columns.flatMap((column, index): Issue[] => {
    const { name, type } = column;
    const at = (path: (string | number)[], message: string): Issue => ({ path: ["columns", index, ...path], message });
    const own: Issue[] = [];
    if (name !== undefined && names.indexOf(name) !== index) own.push(at(["name"], `'${name}' is declared twice`));
    else if (AUDIT_COLUMNS.some((audit) => audit.name === name)) own.push(at(["name"], `'${name}' is an audit column`));
    if (type === undefined) return own;
    for (const [field, fits, needed] of FIELDS_OF_TYPES) {
      if (column[field] !== undefined && !fits(type)) own.push(at([field], `needs ${needed}, not ${type}`));
    }
    for (const { path, message } of column.rule ? columnRuleFaults(column.rule, type) : []) {
      own.push(at(["rule", ...path], message));
    }
    return own;
  });
  return [...faults, ...wordFaults(columns), ...headerFaults(columns)];
}

const isNumeric = (type: ColumnType): boolean => valueTypeOf(type) === "number";
const isMoment = (type: ColumnType): boolean => ["date", "timestamp", "instant"].includes(valueTypeOf(type));
const isBoolean = (type: ColumnType): boolean => type === "BOOLEAN";

const FIELDS_OF_TYPES = [
  ["number", isNumeric, "a column of numbers"],
  ["format", isMoment, "a column of dates or times"],
  ["trueWords", isBoolean, "a BOOLEAN column"],
  ["falseWords", isBoolean, "a BOOLEAN column"],
] as const;

function wordFaults(columns: readonly Column[]): Issue[] {
  return columns.flatMap(({ trueWords = [], falseWords = [] }, index) => {
    const falses = new Set(falseWords.map((word) => word.toLowerCase()));
    const both = trueWords.findIndex((word) => falses.has(word.toLowerCase()));
    if (both < 0) return [];
    const path = ["columns", index, "trueWords", both];
    return [{ path, message: `'${trueWords[both]!}' is a word for false too` }];
  });
}

/** Headers that differ in case or blanks alone are one to a reader of the contract. */
const plain = (header: string): string => header.normalize("NFC").trim().toLowerCase();

/** A header, or an alias of one, leads to one column. */
function headerFaults(columns: readonly Column[]): Issue[] {
  const owners = new Map<string, number>();
  columns.forEach(({ name, header = name }, index) => {
    if (header !== undefined && !owners.has(plain(header))) owners.set(plain(header), index);
  });
  return columns.flatMap(({ aliases = [] }, index) =>
    aliases.flatMap((alias, place): Issue[] => {
      const owner = owners.get(plain(alias));
      if (owner === undefined) owners.set(plain(alias), index);
      if (owner === undefined || owner === index) return [];
      const other = columns[owner]!.name ?? `column ${owner}`;
      return [{ path: ["columns", index, "aliases", place], message: `'${alias}' is a header of '${other}' too` }];
    }),
  );
}
