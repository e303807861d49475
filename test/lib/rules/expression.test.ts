import assert from "node:assert/strict";
import { test } from "node:test";
import { numOf } from "../../../lib/rules/exact.ts";
import { columnsRead, compileRule, ExpressionFault } from "../../../lib/rules/expression.ts";
import { constantOf, type Value, type ValueType } from "../../../lib/rules/value.ts";

const TYPES: Record<string, ValueType> = {
  net: "number",
  tax: "number",
  gross: "number",
  name: "text",
  ordered: "date",
  shipped: "date",
  paid: "boolean",
  seen: "instant",
};
const COLUMNS = new Map(Object.entries(TYPES).map(([name, type], index) => [name, { type, index }]));
const day = (text: string): Value => constantOf(text, "DATE")!;
const ROW: Record<string, Value> = {
  net: numOf("0.1"),
  tax: numOf("0.2"),
  gross: numOf("0.30"),
  name: "Äb😀",
  ordered: day("2024-01-01"),
  shipped: day("2024-01-11"),
  paid: true,
  seen: null,
};

const holds = (expression: string, row: Record<string, Value> = {}): boolean =>
  compileRule(expression, COLUMNS).holds(Object.keys(TYPES).map((name) => ({ ...ROW, ...row })[name] ?? null));

test("decimals are exact: a tenth and two tenths are three tenths", () => {
  assert.equal(holds("net + tax == gross"), true);
  assert.equal(holds("net + tax == gross", { gross: numOf("0.31") }), false);
  assert.equal(holds("gross == 99999999999999999999.01", { gross: numOf("99999999999999999999.01") }), true);
  assert.equal(holds("gross == 99999999999999999999.01", { gross: numOf("99999999999999999999.02") }), false);
  assert.equal(holds("round(net * 3.33, 1) == 0.3 && abs(-tax) == tax && gross % 0.2 == net"), true);
  assert.equal(holds("net / tax == 0.5 && net - tax < 0 && net * tax == 0.02"), true);
});

test("a rule about an empty value is not broken, unless the rest decides", () => {
  assert.equal(holds("net > 5", { net: null }), true);
  assert.equal(holds("net > 5 && tax > 5", { net: null }), false);
  assert.equal(holds("tax > 5 && net > 5", { net: null }), false);
  assert.equal(holds("!(net > 5 || tax < 5)", { net: null }), false);
  assert.equal(holds("net != null", { net: null }), false);
  assert.equal(holds("seen == null && net != null"), true);
  assert.equal(holds("name in ['x', 'y']", { name: null }), true);
  assert.equal(holds("net / (tax - tax) > 1"), true, "a quotient by 0 is empty");
});

test("texts, lists, dates and conditions", () => {
  assert.equal(holds("name.size() == 3 && size(name) == 3 && name.startsWith('Ä') && !contains(name, 'x')"), true);
  assert.equal(holds("name in ['x', 'Äb😀']"), true);
  assert.equal(holds("name in ['x', 'y']"), false);
  assert.equal(holds("shipped >= ordered && shipped - ordered == 10 && ordered >= '2024-01-01'"), true);
  assert.equal(holds("shipped < ordered"), false);
  assert.equal(holds("year(ordered) == 2024 && month(shipped) == 1 && day(shipped) == 11"), true);
  assert.equal(holds("paid ? net > 0 : tax > 5"), true);
  assert.equal(holds("upper(trim(lower(name))) == 'ÄB😀'"), true);
});

test("a pattern takes time that grows with the text alone", () => {
  assert.equal(holds("name.matches('^(a+)+$')", { name: `${"a".repeat(20_000)}b` }), false);
});

test("nothing of JavaScript can be reached", () => {
  for (const expression of [
    "constructor",
    "name.constructor",
    "name['constructor']",
    "__proto__ == 1",
    "this",
    "toString()",
    "hasOwnProperty('net')",
    "name.constructor('x')",
    "net ** 2 > 1",
    "net = 1",
    "(net, tax)",
    "net; tax",
    "[1][0] == 1",
    "`x` == name",
    "new Date()",
    "x => 1",
    "net | 1",
  ])
    assert.throws(() => compileRule(expression, COLUMNS), ExpressionFault, expression);
});

test("a fault of an expression is told with what is meant", () => {
  const cases: [expression: string, fault: RegExp][] = [
    ["nett > 1", /'nett' is not a column: did you mean 'net'\?/],
    ["siez(name) > 1", /did you mean size\?/],
    ["net", /it is a number, not a condition/],
    ["net > name", /cannot compare a number with a text/],
    ["ordered > 'soon'", /'soon' is not a date or time/],
    ["ordered == seen", /cannot compare a date with a instant/],
    ["net >", /syntax is wrong/],
    ["net = 1", /write ==/],
    ["name.matches(name)", /must be a constant/],
    ["name.matches('(')", /not a pattern/],
    ["size(name, 1) > 1", /takes 1 values, not 2/],
    [`${"(".repeat(60)}net > 0${")".repeat(60)} && ${"!".repeat(60)}paid`, /nested/],
    [`net > 0 || ${"net > 0 || ".repeat(100)}paid`, /characters; the limit is/],
  ];
  for (const [expression, fault] of cases) assert.throws(() => compileRule(expression, COLUMNS), fault, expression);
  assert.deepEqual(columnsRead("name.size() > net && matches(name, 'x')").sort(), ["name", "net"]);
});
