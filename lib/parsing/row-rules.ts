import type { Contract } from "../contract/contract.ts";
import { TributaryError } from "../errors.ts";
import type { Row } from "../formats/format.ts";
import { columnTests, type RuleAction, type ValueTest } from "../rules/column-rule.ts";
import { columnsRead, compileRule, type CompiledRule } from "../rules/expression.ts";
import { shownValue, textOf, valueOf, valueTypeOf, type Value, type ValueType } from "../rules/value.ts";
import { cast, CAST, FAMILY, type CastColumn } from "../typing/cast.ts";
import type { Scan } from "../typing/scan.ts";
import { isNullMarker } from "../typing/null-markers.ts";
import type { Plan, PlannedColumn } from "./plan.ts";
import { shownText, type RejectFault } from "./rejects.ts";

/** A rule of the contract that a row breaks. */
export interface BrokenRule {
  rule: string;
  action: RuleAction;
  /** Null: the rule is about several columns. */
  column: string | null;
  /** One sentence for people. */
  message: string;
}

/** Rows that are loaded although they break a rule whose action is `warn`. */
export interface RuleWarning {
  rule: string;
  rows: number;
  /** The first such row: its line in the file, and what is wrong with it. */
  line: number;
  message: string;
}

/** The rules that a contract has for a row. */
export interface RowRules {
  /** Indices of the planned columns that rules read. */
  reads: readonly number[];
  /** The rules that these values break, in the contract's order; undefined: none. */
  brokenBy(values: readonly Value[]): BrokenRule[] | undefined;
}

/**
 * The contract's rules for a file with these columns; undefined if it has none.
 * @throws HEADER_COLUMN_MISSING for a rule about a column that neither file nor table has, if the file's
 * fields are final; CONTRACT_INVALID for a rule that does not fit the columns' types
 */
export function rowRules(
  contract: Pick<Contract, "columns" | "rows">,
  plan: Pick<Plan, "columns" | "untyped">,
  isFinal: boolean,
): RowRules | undefined {
  const tests = [...columnRules(contract, plan.columns), ...expressionRules(contract, plan, isFinal)];
  if (tests.length === 0) return undefined;
  const reads = [...new Set(tests.flatMap((test) => test.reads))];
  return {
    reads,
    brokenBy(values) {
      let broken: BrokenRule[] | undefined;
      for (const test of tests) {
        const found = test.brokenBy(values);
        if (found) (broken ??= []).push(found);
      }
      return broken;
    },
  };
}

interface RowTest {
  reads: readonly number[];
  brokenBy(values: readonly Value[]): BrokenRule | undefined;
}

function columnRules(contract: Pick<Contract, "columns">, columns: readonly PlannedColumn[]): RowTest[] {
  return contract.columns.flatMap(({ name, type, rule }) => {
    const index = columns.findIndex((column) => column.name === name);
    if (!rule || index < 0) return [];
    return [columnTest({ name: rule.name ?? name, action: rule.action, tests: columnTests(rule, type) }, name, index)];
  });
}

function columnTest(
  { name, action, tests }: { name: string; action: RuleAction; tests: readonly ValueTest[] },
  column: string,
  index: number,
): RowTest {
  return {
    reads: [index],
    brokenBy(values) {
      const value = values[index] ?? null;
      if (value === null) return undefined;
      for (const test of tests) {
        const fault = test(value);
        if (fault === undefined) continue;
        const shown = typeof value === "string" ? `'${shownText(value)}'` : shownValue(value, "number");
        return { rule: name, action, column, message: `${shown} ${fault} (column '${column}')` };
      }
      return undefined;
    },
  };
}

function expressionRules(
  { rows }: Pick<Contract, "rows">,
  { columns, untyped }: Pick<Plan, "columns" | "untyped">,
  isFinal: boolean,
): RowTest[] {
  const scope = new Map(columns.map((column, index) => [column.name, { type: typeIn(column), index }] as const));
  // A column without a value is NULL in each row. With its first value, the file is read again.
  for (const { name } of untyped) scope.set(name, { type: "any", index: -1 });
  return rows.map(({ name, expression, action }): RowTest => {
    const compiled = compiledFor({ name, expression }, scope, isFinal);
    const shown = compiled.reads.map((read) => ({ read, ...scope.get(read)! }));
    return {
      reads: shown.flatMap(({ index }) => (index >= 0 ? [index] : [])),
      brokenBy(values) {
        if (compiled.holds(values)) return undefined;
        const found = shown.map(({ read, type, index }) => `${read} = ${shownValue(values[index] ?? null, type)}`);
        return { rule: name, action, column: null, message: `${expression} is false: ${found.join(", ")}` };
      },
    };
  });
}

const typeIn = ({ type, authority, facts }: PlannedColumn): ValueType =>
  authority === "inferred" && facts.kinds === 0 ? "any" : valueTypeOf(type);

function compiledFor(
  { name, expression }: { name: string; expression: string },
  scope: Map<string, { type: ValueType; index: number }>,
  isFinal: boolean,
): CompiledRule {
  for (const read of columnsRead(expression)) {
    if (scope.has(read)) continue;
    if (isFinal) {
      const message = `the rule '${name}' reads the column '${read}', which neither the file nor its table has`;
      throw new TributaryError("HEADER_COLUMN_MISSING", message);
    }
    scope.set(read, { type: "any", index: -1 });
  }
  try {
    return compileRule(expression, scope);
  } catch (error) {
    throw new TributaryError("CONTRACT_INVALID", `rows: ${name}: ${(error as Error).message}`, { cause: error });
  }
}

/** The rules that a row breaks; undefined: none. A value that its column cannot hold is empty. */
export function brokenRules(
  rules: RowRules,
  columns: readonly PlannedColumn[],
  row: Row,
  scan: Scan,
): BrokenRule[] | undefined {
  const values: Value[] = [];
  for (const index of rules.reads) values[index] = readValue(columns[index]!, row, scan);
  return rules.brokenBy(values);
}

/** Why the row is rejected; undefined: its rules only warn. @throws FILE_RULE_BROKEN if one fails the file */
export function refusalOf(broken: readonly BrokenRule[], line: number): RejectFault | undefined {
  const failing = broken.find(({ action }) => action === "fail");
  if (failing) {
    throw new TributaryError("FILE_RULE_BROKEN", `line ${line}: rule '${failing.rule}': ${failing.message}`);
  }
  const found = broken.find(({ action }) => action === "reject");
  return found && { reason: `rule:${found.rule}`, column: found.column, message: found.message };
}

/** A column's value in a row; null: it has none that its type can hold. */
export function readValue(
  column: CastColumn & Pick<PlannedColumn, "field" | "nullMarkers">,
  row: Pick<Row, "bytes" | "bounds" | "count">,
  scan: Scan,
): Value {
  const { field, nullMarkers, number } = column;
  if (field < 0 || field >= row.count) return null;
  const [start, end] = [row.bounds[2 * field]!, row.bounds[2 * field + 1]!];
  if (nullMarkers.length > 0 && isNullMarker(nullMarkers, row.bytes, start, end)) return null;
  if (cast(column, row.bytes, start, end, scan) !== CAST.OK) return null;
  if (column.family === FAMILY.VARCHAR) return textOf(row.bytes, start, end);
  return valueOf(column, number ? number.canonical : row.bytes, scan);
}

/** Counts the rows that break rules whose action is `warn`, by rule. */
export class RuleWarnings {
  readonly #byRule = new Map<string, RuleWarning>();

  get all(): RuleWarning[] {
    return [...this.#byRule.values()];
  }

  add(broken: readonly BrokenRule[], line: number): void {
    for (const { rule, message } of broken) {
      const known = this.#byRule.get(rule);
      if (known) known.rows++;
      else this.#byRule.set(rule, { rule, rows: 1, line, message });
    }
  }
}
