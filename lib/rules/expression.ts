import jsep from "jsep";
import { messageOf } from "../errors.ts";
import { nearestOf } from "../nearest.ts";
import { calculated, negated, numOf, type Num } from "./exact.ts";
import { FUNCTIONS, functionNamed } from "./functions.ts";
import { patternFault, patternOf } from "./pattern.ts";
import { compareValues, constantOf, isOrdered, type Value, type ValueType } from "./value.ts";

export const EXPRESSION_CHARS_MAX = 1_000;
const DEPTH_MAX = 40;

/** Arithmetic, comparisons and logic are the language; jsep knows the rest of JavaScript's operators too. */
const OPERATORS = ["||", "&&", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%"];
for (const operator of Object.keys(jsep.binary_ops)) {
  if (!OPERATORS.includes(operator)) jsep.removeBinaryOp(operator);
}
jsep.addBinaryOp("in", jsep.binary_ops["<"]!);
for (const operator of Object.keys(jsep.unary_ops)) {
  if (!["-", "!"].includes(operator)) jsep.removeUnaryOp(operator);
}

/** The columns that an expression may name, and where a row holds them. */
export type ColumnsInScope = ReadonlyMap<string, { type: ValueType; index: number }>;

/** An expression, ready to be asked of rows. */
export interface CompiledRule {
  /** Names of the columns it reads, in the order of the expression. */
  reads: readonly string[];
  /** False if the row breaks the rule. As in SQL, a rule about an empty value is not broken. */
  holds(row: readonly Value[]): boolean;
}

/** An expression that cannot be asked; the message says why. */
export class ExpressionFault extends Error {}

interface Part {
  type: ValueType;
  run: (row: readonly Value[]) => Value;
  /** Set for a constant. */
  constant?: Value;
}

interface Scope {
  columns: ColumnsInScope;
  reads: Set<string>;
  depth: number;
}

/** Columns that an expression names. @throws ExpressionFault for wrong syntax */
export function columnsRead(source: string): string[] {
  const names = new Set<string>();
  const visit = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    const { type, name, callee, ...rest } = node as jsep.Expression;
    if (type === "Identifier") names.add(name as string);
    if ((callee as jsep.Expression | undefined)?.type === "MemberExpression") {
      visit((callee as jsep.MemberExpression).object);
    }
    for (const child of Object.values(rest)) (Array.isArray(child) ? child : [child]).forEach(visit);
  };
  visit(syntaxOf(source));
  return [...names];
}

/**
 * Compiles an expression over these columns. It has no loops, no access to objects, and its cost per row is
 * bounded by its length and the row's. @throws ExpressionFault
 */
export function compileRule(source: string, columns: ColumnsInScope): CompiledRule {
  const scope: Scope = { columns, reads: new Set(), depth: 0 };
  const { type, run } = compile(syntaxOf(source), scope);
  if (type !== "boolean" && type !== "any") throw new ExpressionFault(`it is a ${type}, not a condition`);
  return { reads: [...scope.reads], holds: (row) => run(row) !== false };
}

function syntaxOf(source: string): jsep.Expression {
  if (source.length > EXPRESSION_CHARS_MAX) {
    throw new ExpressionFault(`it has ${source.length} characters; the limit is ${EXPRESSION_CHARS_MAX}`);
  }
  if (/(^|[^=!<>])=(?!=)/.test(source.replace(/"[^"]*"|'[^']*'/g, '""')))
    throw new ExpressionFault("write == for equal");
  try {
    return jsep(source);
  } catch (error) {
    throw new ExpressionFault(`its syntax is wrong: ${messageOf(error)}`);
  }
}

function compile(node: jsep.Expression, outer: Scope): Part {
  const scope = { ...outer, depth: outer.depth + 1 };
  if (scope.depth > DEPTH_MAX) throw new ExpressionFault(`it is nested more than ${DEPTH_MAX} deep`);
  switch (node.type) {
    case "Literal":
      return literal(node as jsep.Literal);
    case "Identifier":
      return column((node as jsep.Identifier).name, scope);
    case "UnaryExpression":
      return unary(node as jsep.UnaryExpression, scope);
    case "BinaryExpression":
      return binary(node as jsep.BinaryExpression, scope);
    case "ConditionalExpression":
      return conditional(node as jsep.ConditionalExpression, scope);
    case "CallExpression":
      return call(node as jsep.CallExpression, scope);
    case "ArrayExpression":
      throw new ExpressionFault("a list stands only after 'in'");
    case "MemberExpression":
      throw new ExpressionFault("a value has no parts: only functions follow a point");
    default:
      throw new ExpressionFault(node.type === "Compound" ? "it must be one condition" : `no ${node.type} is possible`);
  }
}

const constantPart = (type: ValueType, constant: Value): Part => ({ type, constant, run: () => constant });

function literal({ value, raw }: jsep.Literal): Part {
  if (value === null) return constantPart("null", null);
  if (typeof value === "boolean") return constantPart("boolean", value);
  if (typeof value === "string") return constantPart("text", value);
  return constantPart("number", numOf(raw));
}

function column(name: string, { columns, reads }: Scope): Part {
  const found = columns.get(name);
  if (!found) {
    const near = nearestOf(name, [...columns.keys()]);
    const meant = near === undefined ? "" : `: did you mean '${near}'?`;
    throw new ExpressionFault(`'${name}' is not a column${meant}`);
  }
  reads.add(name);
  const { type, index } = found;
  return { type, run: (row) => row[index] ?? null };
}

function unary({ operator, argument }: jsep.UnaryExpression, scope: Scope): Part {
  const inner = compile(argument, scope);
  if (operator === "!") {
    expect(inner, ["boolean"], "!");
    return { type: "boolean", run: (row) => negation(inner.run(row)) };
  }
  expect(inner, ["number"], operator);
  const negate = (value: Value): Value => (value === null ? null : negated(value as Num));
  if (inner.constant !== undefined) return constantPart("number", negate(inner.constant));
  return { type: "number", run: (row) => negate(inner.run(row)) };
}

const negation = (value: Value): Value => (value === null ? null : value !== true);

function binary(node: jsep.BinaryExpression, scope: Scope): Part {
  const { operator } = node;
  if (operator === "in") return membership(node, scope);
  const left = compile(node.left, scope);
  const right = compile(node.right, scope);
  if (operator === "&&" || operator === "||") return logic(operator, left, right);
  if (operator === "==" || operator === "!=") return equality(operator, left, right);
  if (["<", "<=", ">", ">="].includes(operator)) return comparison(operator, left, right);
  if (operator === "-" && isMoment(left) && isMoment(right)) return daysBetween(left, right);
  expect(left, ["number"], operator);
  expect(right, ["number"], operator);
  return {
    type: "number",
    run: (row) => {
      const [a, b] = [left.run(row), right.run(row)];
      return a === null || b === null ? null : calculated(operator, a as Num, b as Num);
    },
  };
}

/** Three-valued: an empty value decides nothing, but `false &&` and `true ||` do. */
function logic(operator: "&&" | "||", left: Part, right: Part): Part {
  expect(left, ["boolean"], operator);
  expect(right, ["boolean"], operator);
  const decides = operator === "||";
  return {
    type: "boolean",
    run: (row) => {
      const a = left.run(row);
      if (a === decides) return decides;
      const b = right.run(row);
      return b === decides || a === null ? (b === decides ? decides : null) : b;
    },
  };
}

/** `x == null` asks whether the field is empty; between values, an empty one makes the answer empty. */
function equality(operator: "==" | "!=", left: Part, right: Part): Part {
  const isEqual = operator === "==";
  if (left.type === "null" || right.type === "null") {
    const asked = left.type === "null" ? right : left;
    return { type: "boolean", run: (row) => (asked.run(row) === null) === isEqual };
  }
  const test = comparing(operator, left, right);
  return { type: "boolean", run: (row) => test(row, (order) => (order === 0) === isEqual) };
}

function comparison(operator: string, left: Part, right: Part): Part {
  for (const part of [left, right]) {
    if (!isOrdered(part.type)) throw new ExpressionFault(`'${operator}' cannot compare a ${part.type}`);
  }
  const test = comparing(operator, left, right);
  const isMet = ORDERS.get(operator)!;
  return { type: "boolean", run: (row) => test(row, isMet) };
}

const ORDERS = new Map<string, (order: number) => boolean>([
  ["<", (order) => order < 0],
  ["<=", (order) => order <= 0],
  [">", (order) => order > 0],
  [">=", (order) => order >= 0],
]);

function comparing(
  operator: string,
  left: Part,
  right: Part,
): (row: readonly Value[], isMet: (order: number) => boolean) => Value {
  const [a, b] = [asMoment(left, right), asMoment(right, left)];
  if (!areComparable(a.type, b.type)) {
    throw new ExpressionFault(`'${operator}' cannot compare a ${a.type} with a ${b.type}`);
  }
  return (row, isMet) => {
    const [one, other] = [a.run(row), b.run(row)];
    return one === null || other === null ? null : isMet(compareValues(one, other));
  };
}

const isMoment = ({ type }: Part): boolean => type === "date" || type === "timestamp" || type === "instant";

const MOMENT_TYPES = { date: "TIMESTAMP", timestamp: "TIMESTAMP", instant: "TIMESTAMP WITH TIME ZONE" } as const;

/** A constant text beside a date or time is one. */
function asMoment(part: Part, other: Part): Part {
  if (!isMoment(other) || typeof part.constant !== "string") return part;
  const moment = constantOf(part.constant, MOMENT_TYPES[other.type as keyof typeof MOMENT_TYPES]);
  if (moment === undefined) {
    throw new ExpressionFault(`'${part.constant}' is not a date or time: write '2024-01-31' or '2024-01-31 10:00'`);
  }
  return constantPart(other.type, moment);
}

function areComparable(a: ValueType, b: ValueType): boolean {
  if (a === b || a === "any" || b === "any") return true;
  // Times with and without an offset are different things.
  return [a, b].every((type) => type === "date" || type === "timestamp");
}

const DAY_MICROS = 86_400_000_000n;

function daysBetween(left: Part, right: Part): Part {
  if (!areComparable(left.type, right.type)) {
    throw new ExpressionFault(`'-' cannot take a ${right.type} from a ${left.type}`);
  }
  return {
    type: "number",
    run: (row) => {
      const [a, b] = [left.run(row), right.run(row)];
      if (a === null || b === null) return null;
      const micros = (a as bigint) - (b as bigint);
      if (micros % DAY_MICROS === 0n) return { units: micros / DAY_MICROS, scale: 0 };
      return Number(micros) / Number(DAY_MICROS);
    },
  };
}

function membership({ left, right }: jsep.BinaryExpression, scope: Scope): Part {
  if (right.type !== "ArrayExpression") throw new ExpressionFault("'in' needs a list: country in ['DE', 'FR']");
  const value = compile(left, scope);
  const tests = (right as jsep.ArrayExpression).elements.map((element) => {
    if (!element) throw new ExpressionFault("a list has an empty place");
    return equality("==", value, compile(element, scope));
  });
  return {
    type: "boolean",
    run: (row) => {
      let answer: Value = false;
      for (const test of tests) {
        const found = test.run(row);
        if (found === true) return true;
        if (found === null) answer = null;
      }
      return answer;
    },
  };
}

function conditional({ test, consequent, alternate }: jsep.ConditionalExpression, scope: Scope): Part {
  const condition = compile(test, scope);
  const [yes, no] = [compile(consequent, scope), compile(alternate, scope)];
  expect(condition, ["boolean"], "?");
  const type = yes.type === "null" || yes.type === "any" ? no.type : yes.type;
  if (![type, "null", "any"].includes(no.type)) {
    throw new ExpressionFault(`after '?', a ${yes.type} and a ${no.type} are two types`);
  }
  return { type, run: (row) => (condition.run(row) === true ? yes : no).run(row) };
}

/** `size(name)` and `name.size()` are the same. */
function call({ callee, arguments: given }: jsep.CallExpression, scope: Scope): Part {
  const isMethod = callee.type === "MemberExpression" && callee["computed"] !== true;
  const called = (isMethod ? (callee as jsep.MemberExpression).property : callee) as jsep.Identifier;
  const { name } = called;
  const known = called.type === "Identifier" ? functionNamed(name) : undefined;
  if (!known) {
    const near = called.type === "Identifier" ? nearestOf(name, Object.keys(FUNCTIONS)) : undefined;
    const meant = near === undefined ? "" : `: did you mean ${near}?`;
    throw new ExpressionFault(
      `'${name ?? "this"}' is not a function${meant} (known: ${Object.keys(FUNCTIONS).join(", ")})`,
    );
  }
  const nodes = isMethod ? [(callee as jsep.MemberExpression).object, ...given] : given;
  const parts = nodes.map((node) => compile(node, scope));
  if (parts.length !== known.takes.length) {
    throw new ExpressionFault(`${name} takes ${known.takes.length} values, not ${parts.length}`);
  }
  parts.forEach((part, index) => expect(part, known.takes[index]!, name));
  if (name === "matches") return matching(parts[0]!, parts[1]!);
  return {
    type: known.gives,
    run: (row) => {
      const values: Exclude<Value, null>[] = [];
      for (const part of parts) {
        const value = part.run(row);
        if (value === null) return null;
        values.push(value);
      }
      return known.run(values);
    },
  };
}

/** The pattern is compiled once, not for each row. */
function matching(text: Part, pattern: Part): Part {
  const { constant } = pattern;
  if (typeof constant !== "string") throw new ExpressionFault("the pattern of matches must be a constant text");
  const fault = patternFault(constant);
  if (fault !== undefined) throw new ExpressionFault(fault);
  const test = patternOf(constant);
  return {
    type: "boolean",
    run: (row) => {
      const value = text.run(row);
      return value === null ? null : test(value as string);
    },
  };
}

function expect({ type }: Part, wanted: readonly ValueType[], where: string): void {
  if (type === "any" || type === "null" || wanted.includes(type)) return;
  throw new ExpressionFault(`'${where}' needs a ${wanted.join(" or a ")}, not a ${type}`);
}
