import assert from "node:assert/strict";
import { test } from "node:test";
import { csvOptionsSchema, declaredExtras, declaredHeaderRows } from "../../../../lib/formats/csv/options.ts";

const faultsOf = (given: unknown): string[] =>
  csvOptionsSchema.safeParse(given).error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`) ?? [];

test("any delimiter of 1 to 16 characters, and names for the usual ones", () => {
  for (const delimiter of [",", "||", "::", "^", "\u0001", "§", " ", "~|~", "-".repeat(16)]) {
    assert.equal(csvOptionsSchema.parse({ delimiter }).delimiter, delimiter);
  }
  assert.equal(csvOptionsSchema.parse({ delimiter: "tab" }).delimiter, "\t");
  assert.equal(csvOptionsSchema.parse({ delimiter: "semicolon" }).delimiter, ";");
  for (const delimiter of ["", "-".repeat(17), "\n", "a\r", "\0", "x", "tabb", 7]) {
    assert.equal(faultsOf({ delimiter }).length, 1, JSON.stringify(delimiter));
  }
  assert.deepEqual(faultsOf({ delimiter: "#'#", quote: "'" }), ["quote: must not be part of the delimiter"]);
});

test("a header is declared by words or by its rows", () => {
  for (const [header, rows] of [
    [true, 1],
    [false, 0],
    ["none", 0],
    [0, 0],
    [3, 3],
    ["auto", undefined],
  ] as const) {
    assert.equal(declaredHeaderRows(csvOptionsSchema.parse({ header })), rows);
  }
  assert.equal(declaredHeaderRows({ headerRows: 2 }), 2);
  assert.deepEqual(faultsOf({ header: false, headerRows: 2 }), [
    "headerRows: contradicts `header`: declare one of them",
  ]);
  for (const header of [11, -1, 1.5])
    assert.deepEqual(faultsOf({ header }), ["header: use a whole number from 0 to 10"]);
  assert.deepEqual(faultsOf({ header: "two" }), ["header: use auto, none, true, false or a number of rows"]);
});

test("a footer is a number of rows or a linear regular expression", () => {
  assert.deepEqual(csvOptionsSchema.parse({ footer: { rows: 2 } }).footer, { rows: 2 });
  for (const rows of [0, 2]) assert.deepEqual(csvOptionsSchema.parse({ footer: rows }).footer, { rows });
  assert.deepEqual(faultsOf({ footer: -1 }), ["footer: use a whole number from 0 to 100"]);
  assert.deepEqual(csvOptionsSchema.parse({ footer: { pattern: "^(Total|Sum)" } }).footer, { pattern: "^(Total|Sum)" });
  assert.match(
    faultsOf({ footer: { pattern: "(" } })[0]!,
    /footer: the pattern is not a regular expression in RE2 syntax/,
  );
  // A look-ahead needs backtracking, which can take exponential time.
  assert.match(faultsOf({ footer: { pattern: "(?=a)b" } })[0]!, /RE2/);
  assert.deepEqual(faultsOf({ footer: { rows: 101 } }), ["footer: use a whole number from 0 to 100"]);
  for (const footer of [{}, "Total", { rows: 1, pattern: "x" }]) {
    assert.deepEqual(
      faultsOf({ footer }),
      ['footer: use a number of rows, {"rows": n} or {"pattern": "…"}'],
      JSON.stringify(footer),
    );
  }
});

test("options that say what holds by default are left out of the dialect", () => {
  const usual = { header: true, skipRows: 0, footer: { rows: 0 }, comment: null, rowNames: false } as const;
  assert.deepEqual(declaredExtras(csvOptionsSchema.parse(usual)), {});
  const all = { header: 2, skipRows: 3, footer: { rows: 1 }, comment: "#", rowNames: true, trimBlanks: true };
  const { header: headerRows, ...rest } = all;
  assert.deepEqual(declaredExtras(csvOptionsSchema.parse(all)), { headerRows, ...rest });
});

test("what was stored is read back as it was declared", () => {
  for (const given of [
    { delimiter: "tab", header: "none", skipRows: "auto" },
    { delimiter: "||", header: 2, skipRows: 4, footer: { pattern: "^Total" }, comment: "//", trailingDelimiter: true },
  ]) {
    const once = csvOptionsSchema.parse(given);
    assert.deepEqual(csvOptionsSchema.parse(JSON.parse(JSON.stringify(once))), once);
  }
});
