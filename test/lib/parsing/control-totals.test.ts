import assert from "node:assert/strict";
import { test } from "node:test";
import { contractSchema } from "../../../lib/contract/contract.ts";
import { parse } from "./parsing.ts";

const stopsOf = async (text: string, controlTotal: unknown, more: object = {}): Promise<string[]> => {
  const { summary } = await parse(text, { contract: { ...more, accept: { controlTotal } } });
  assert.equal(summary.error, undefined);
  return (summary.stops ?? []).map(({ reason, evidence }) => `${reason}: ${evidence}`);
};

const ROWS = "id,amount\n1,10.10\n2,20.20\n3,30.30\n";

test("a count of rows in the footer, above the header or in a comment is compared with the rows", async () => {
  const count = { pattern: "(?i)rows: ([0-9.,]+)" };
  assert.deepEqual(await stopsOf(`${ROWS.replaceAll(",", ";")}Rows: 3\n`, count), []);
  for (const text of [
    `${ROWS}Rows: 3\n`,
    `Export of May\nRows: 3\n\n${ROWS}`,
    `# rows: 3\n${ROWS}`,
    `${ROWS}# rows: 3\n`,
  ]) {
    assert.deepEqual(await stopsOf(text, count), [], text);
    const [stop] = await stopsOf(text.replace(/ows: 3/, "ows: 1204"), count);
    assert.equal(stop, "control_total: the file has rows: 3; the file states 1204");
  }
});

test("the sum of a column is exact, and in the column's notation", async () => {
  const sum = { column: "amount", pattern: "^Total,([0-9.,]+)" };
  assert.deepEqual(await stopsOf(`${ROWS}Total,60.60\n`, sum), []);
  const [stop] = await stopsOf(`${ROWS}Total,60.61\n`, sum);
  assert.equal(stop, "control_total: the sum of 'amount' is: 60.60; the file states 60.61");
  const columns = [{ name: "amount", type: "DECIMAL(6,2)", number: { decimal: ",", group: "." } }];
  const german = "id;amount\n1;1.000,10\n2;9.000,00\nSumme;10.000,10\n";
  const totals = [{ column: "amount", pattern: "Summe;(.*)" }];
  assert.deepEqual(await stopsOf(german, totals, { columns }), []);
  assert.match(
    (await stopsOf(german.replace("10.000,10", "1.000,10"), totals, { columns }))[0]!,
    /10000\.10.*1000\.10/,
  );
  const doubles = { columns: [{ name: "amount", type: "DOUBLE" }] };
  assert.deepEqual(await stopsOf(`${ROWS}Total,60.6\n`, sum, doubles), []);
  assert.equal((await stopsOf(`${ROWS}Total,60.7\n`, sum, doubles)).length, 1);
});

test("rows that are rejected for another value count, too", async () => {
  const columns = [{ name: "id", type: "INTEGER" }];
  const totals = [{ pattern: "Rows,([0-9]+)" }, { column: "amount", pattern: "Total,([0-9.]+)" }];
  const text = `${ROWS.replace("2,20", "x,20")}Total,60.60\nRows,3\n`;
  assert.deepEqual(await stopsOf(text, totals, { columns, dialect: { footer: { rows: 2 } } }), []);
});

test("a total that is missing, is no number, or is of a column that the file lacks stops the file", async () => {
  assert.match((await stopsOf(ROWS, { pattern: "Rows: ([0-9]+)" }))[0]!, /no line outside the rows states .*Rows/);
  assert.match((await stopsOf(`# rows: ten\n${ROWS}`, { pattern: "rows: (.*)" }))[0]!, /'ten' is not a number/);
  assert.match(
    (await stopsOf(`# 5\n${ROWS}`, { column: "net", pattern: "# (.*)" }))[0]!,
    /'net', which the file lacks/,
  );
});

test("a pattern without a group is a fault of the contract", () => {
  const faults = (accept: object): string[] =>
    contractSchema.safeParse({ table: "t", accept }).error?.issues.map(({ message }) => message) ?? [];
  assert.match(faults({ controlTotal: { pattern: "Rows: [0-9]+" } })[0]!, /no group/);
  assert.match(faults({ controlTotal: [{ pattern: "(" }] })[0]!, /not a pattern/);
  assert.deepEqual(faults({ controlTotal: { pattern: "([0-9]+)" } }), []);
});
