import assert from "node:assert/strict";
import { test } from "node:test";
import { parse, type ParseSetup } from "../parsing/parsing.ts";

const reasons = async (text: string, setup: ParseSetup = {}): Promise<string[]> =>
  ((await parse(text, setup)).summary.doubts ?? []).map(({ reason }) => reason);

test("points before three digits are in doubt beside decimal commas", async () => {
  for (const text of [
    "id;net;tax\n1;1.234;1,5\n2;12.345;22,75\n3;7;3,00\n",
    'id,net,tax\n1,1.234,"1,5"\n2,-12.345,"-22,75"\n',
    "id;net;tax\n1;1.234;1.234,50\n2;999.999;3\n",
    "id;net;all\n1;1.234;12.345.678\n2;2.345;1.234.567\n",
    'id,net,share\n1,1.000,"12,5%"\n2,2.500,"7,0 %"\n',
    'id,net,price\n1,1.000,"2,50 €"\n2,2.500,"$3,10"\n',
    "day;item;count\n2026-01-31;a;1.000\n2026-02-01;b;2.500\n2026-02-02;c;500\n",
    "id;lat\n1;59.913\n2;60.391\n",
    "item\tstock\tprice\n1\t1.200\t12,60\n2\t950\t0,99\n3\t12.000\ton request\n",
    "item\tstock\tvalue\n1\t1.200\t12.345,6\n2\t950\tn/a\n3\t12.000\t-\n",
    "item\tstock\tvalue\n1\t1.200\t500,00-\n2\t950\t-\n",
    "item\tstock\tprice\n1\t1.200\t12,5 EUR\n2\t950\t0,9 EUR\n",
    "item\tstock\tprice\n1\t1.200\tEUR 1.012,5\n2\t950\tfree\n",
  ]) {
    assert.deepEqual(await reasons(text), ["numbers_unsure"], text);
  }
  const { summary } = await parse("id;net;tax\n1;1.234;1,5\n2;12.345;22,75\n");
  assert.match(summary.doubts![0]!.evidence, /'net' have three digits behind them, and 'tax' has decimal commas/);
});

test("a file that is read twice is in doubt as well", async () => {
  const rows = Array.from({ length: 60_000 }, (_, at) => `${at};${1 + (at % 900)}.${100 + (at % 900)};1,5\n`);
  rows.splice(-9, 0, "late;2.345;1,5\n");
  const { summary } = await parse(`id;net;tax\n${rows.join("")}`);
  assert.deepEqual(
    [summary.columns[0]?.type, summary.doubts?.map(({ reason }) => reason)],
    ["VARCHAR", ["numbers_unsure"]],
  );
});

test("ordinary files are in no doubt", async () => {
  for (const text of [
    "id,lat\n1,59.913\n2,60.391\n",
    "id;lat\n1;59.913\n2;0.391\n",
    "id;net;tax\n1;1.234;1,5\n2;12.5;22,75\n",
    "id;net;tax\n1;1.234;1,5\n2;12345;22,75\n",
    "id;share;tax\n1;0.125;1,5\n2;0.250;22,75\n",
    "id;net;lat;tax\n1;1.234;5.25;1,5\n2;12.345;6.5;22,75\n",
    'id,net,pair\n1,1.234,"1,5 and 2"\n2,12.345,"1,5"\n',
    'id,net,count\n1,1.234,"1,234"\n2,12.345,"12,345"\n',
    "id,net,day\n1,1.234,01.02.2024\n2,12.345,02.02.2024\n",
    "id,net,version\n1,1.234,1.2.3\n2,12.345,1.2.4\n",
    'id,net,sizes\n1,1.234,"1,2,3"\n2,12.345,"4,5"\n3,2.345,none\n',
    "id\tnet\tname\n1\t1.234\tRoom 12\n2\t12.345\tRoom 1,5\n",
  ]) {
    assert.deepEqual(await reasons(text), [], text);
  }
});

test("what the contract or the table says settles the doubt, or is its evidence", async () => {
  const text = "id;net;tax\n1;1.234;1,5\n2;12.345;22,75\n";
  for (const column of [
    { name: "net", type: "DECIMAL(18,3)" },
    { name: "net", type: "INTEGER", number: { decimal: ",", group: "." } },
  ]) {
    assert.deepEqual(await reasons(text, { contract: { columns: [column] } }), []);
  }
  const tax = { name: "tax", type: "DECIMAL(18,2)", number: { decimal: "," } };
  assert.deepEqual(await reasons("id;net;tax\n1;1.234;5\n", { contract: { columns: [tax] } }), ["numbers_unsure"]);
  assert.deepEqual(await reasons(text, { current: { id: "INTEGER", net: "DECIMAL(18,3)", tax: "VARCHAR" } }), []);
});

test("a column of the table that has never had three decimals is looked at as well", async () => {
  const text = "id;net\n1;1.500\n2;2.500\n";
  assert.deepEqual(await reasons(text, { current: { id: "INTEGER", net: "DECIMAL(18,2)" } }), ["numbers_unsure"]);
  assert.deepEqual(await reasons(text, { current: { id: "INTEGER", net: "DECIMAL(18,3)" } }), []);
  assert.deepEqual(
    await reasons("id;net\n1;1.50\n2;2.500\n", { current: { id: "INTEGER", net: "DECIMAL(18,2)" } }),
    [],
  );
  const contract = { columns: [{ name: "net", type: "DECIMAL(18,2)" }] };
  assert.deepEqual(await reasons(text, { contract, current: { id: "INTEGER", net: "DECIMAL(18,2)" } }), []);
});
