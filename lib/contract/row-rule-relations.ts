import { messageOf } from "../errors.ts";
import { columnsRead, compileRule, type ColumnsInScope } from "../rules/expression.ts";
import { valueTypeOf } from "../rules/value.ts";
import type { Issue } from "./issues.ts";
import type { Sketch, UnknownColumn } from "./sketch.ts";

/** Rules with a name that another rule has, and expressions that cannot be asked of a row. */
export function rowRuleFaults({ columns, rows }: Sketch, unknown: UnknownColumn): Issue[] {
  const names = [
    ...columns.flatMap(({ rule, name }) => (rule ? [rule.name ?? name] : [])),
    ...rows.map(({ name }) => name),
  ];
  const before = names.length - rows.length;
  const types = new Map(columns.map(({ name, type }) => [name, type]));
  return rows.flatMap(({ name, expression }, index): Issue[] => {
    const faults: Issue[] = [];
    if (name !== undefined && names.indexOf(name) !== before + index) {
      faults.push({ path: ["rows", index, "name"], message: `'${name}' is the name of another rule` });
    }
    const told = expression === undefined ? [] : expressionFaults(expression, types, unknown);
    return [...faults, ...told.map((message) => ({ path: ["rows", index, "expression"], message }))];
  });
}

function expressionFaults(
  expression: string,
  types: ReadonlyMap<string | undefined, Sketch["columns"][number]["type"]>,
  unknown: UnknownColumn,
): string[] {
  try {
    const read = columnsRead(expression);
    if (read.length === 0) return ["it names no column"];
    const missing = read.flatMap((name) => unknown(name) ?? []);
    if (missing.length > 0) return missing;
    const scope: ColumnsInScope = new Map(
      read.map((name, index) => {
        const type = types.get(name);
        return [name, { type: type ? valueTypeOf(type) : "any", index }] as const;
      }),
    );
    compileRule(expression, scope);
    return [];
  } catch (error) {
    return [messageOf(error)];
  }
}
