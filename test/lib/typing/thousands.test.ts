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

test("a decimal comma shows itself beside missing values, words, signs and units", async () => {
  for (const [price, other] of [
    ...[
      ["12,5", "-"],
      ["12,5", "k.A."],
      ["12,5", "(leer)"],
      ["12,5", "-,-"],
      ["12,5", "offen"],
      ["0,5", "-"],
    ],
    ...[
      ["0,125", "0,250"],
      ["12,5 €", "auf Anfrage"],
      ["12,5%", "n/a"],
      ["1,5 h", "krank"],
      ["+12,50", "+3,20"],
    ],
    ...[
      ["12,-", "13,-"],
      ["<0,5", "0,7"],
      ["~12,50", "x"],
      ["12,50 Euro/kg", "-"],
      ["12,50 (netto)", "-"],
    ],
    ...[
      ["12,5-13,5", "-"],
      ["1.234.567", "-"],
      ["1 234,5", "-"],
      ["CHF 12,50", "-"],
      ["12,50", "1234"],
      ["3,5", "7"],
    ],
  ]) {
    const text = `item\tstock\tprice\nA\t1.200\t${price}\nB\t3.400\t${other}\nC\t2.500\t${price}\n`;
    assert.deepEqual(await reasons(text), ["numbers_unsure"], text);
    const quoted = `item,stock,price\nA,1.200,"${price}"\nB,3.400,"${other}"\nC,2.500,"${price}"\n`;
    assert.deepEqual(await reasons(quoted), ["numbers_unsure"], quoted);
  }
});

test("lists of numbers, versions and words with numbers are no decimal commas", async () => {
  for (const text of [
    'id,rating,ids\n1,4.125,"12,13"\n2,3.875,"7"\n3,4.500,""\n',
    'name,weight,sizes\nA,1.250,"38,40"\nB,2.375,"S"\nC,3.125,"36,38,40"\n',
    'name,weight,sizes\nA,1.250,"38,40"\nB,2.375,"S"\n',
    'name,weight,comment\nA,1.250,"size 10,20"\nB,2.375,"red"\n',
    'id,rating,rooms\n1,4.125,"Room 12,13"\n2,3.875,"TOP 3,4"\n',
    'id,rating,position\n1,4.125,"59.91,10.75"\n2,3.875,"59.92,10.76"\n',
    'id,rating,people\n1,4.125,"1,234,567"\n2,3.875,"12,345"\n',
    "id\trating\tversion\n1\t4.125\t1.234.567\n2\t3.875\t1.2.3\n",
    "id\trating\taddress\n1\t4.125\t192.168.100.200\n2\t3.875\t192.168.101.201\n",
    "id\trating\tstreet\n1\t4.125\tMain St 5, Berlin\n2\t3.875\t7, Low Rd\n",
  ]) {
    assert.deepEqual(await reasons(text), [], text);
  }
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
