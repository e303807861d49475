import assert from "node:assert/strict";
import { test } from "node:test";
import type { ColumnDefinition, ColumnType } from "../../../lib/columns.ts";
import { nameColumns } from "../../../lib/parsing/names.ts";
import { renamedColumns } from "../../../lib/parsing/renames.ts";
import { parse, type ParseSetup } from "./parsing.ts";

const columns = (headers: readonly string[], type: ColumnType = "VARCHAR"): ColumnDefinition[] =>
  nameColumns(headers).map((name, index) => ({ name, type, header: headers[index]! }));

const pairs = (fresh: readonly string[], missing: readonly string[]): string[] =>
  renamedColumns(columns(fresh), columns(missing)).map(({ header, former }) => `${header} was ${former}`);

test("a new column looks like a missing one by plain name, by spelling or by words", () => {
  assert.deepEqual(pairs(["order.id"], ["Order-ID"]), ["order.id was order_id"]);
  assert.deepEqual(pairs(["customer_name"], ["customer"]), ["customer_name was customer"]);
  assert.deepEqual(pairs(["Quantaty"], ["quantity"]), ["Quantaty was quantity"]);
  assert.deepEqual(pairs(["city"], ["amount"]), []);
  assert.deepEqual(pairs(["a"], ["b"]), [], "one letter is no likeness");
});

test("each missing column is proposed once, to the most similar new one", () => {
  assert.deepEqual(pairs(["customer name", "customers"], ["customer"]), ["customers was customer"]);
});

test("columns of different kinds of types are not proposed", () => {
  assert.deepEqual(renamedColumns(columns(["amount eur"], "DATE"), columns(["amount"], "DOUBLE")), []);
  const [found] = renamedColumns(columns(["amount eur"], "INTEGER"), columns(["amount"], "DECIMAL(12,2)"));
  assert.equal(found?.former, "amount");
});

const ORDERS = { id: "INTEGER", name: "VARCHAR", amount: "DECIMAL(18,2)", day: "DATE" } as const;

async function doubtsOf(text: string, setup: ParseSetup = { current: ORDERS }): Promise<string[]> {
  const { summary } = await parse(text, setup);
  return (summary.doubts ?? []).map(({ reason, evidence }) => `${reason}: ${evidence}`);
}

test("a file with another column in the place of a missing one is in doubt", async () => {
  for (const [header, former] of [
    ["id,name,net_amount,day", "'net_amount' for 'amount'"],
    ["id,nme,amount,day", "'nme' for 'name'"],
    ["id,customer,amount,day", "'customer' for 'name'"],
    ["id,name,amount,booked on", "'booked on' for 'day'"],
    ["id,client,price,day", "'client' for 'name', 'price' for 'amount'"],
    ["number,name,amount,day", "'number' for 'id'"],
  ]) {
    const doubts = await doubtsOf(`${header}\n7,Di,9.50,2024-02-01\n`);
    assert.equal(doubts.length, 1, header);
    assert.match(doubts[0]!, new RegExp(`^columns_renamed: .*instead: ${former}$`));
  }
  const moved = await doubtsOf("name of customer,id,day\nDi,7,2024-02-01\n");
  assert.match(moved[0]!, /'name of customer' for 'name'/);
});

test("a file that has no column of the table is in doubt, whatever its columns are", async () => {
  assert.match((await doubtsOf("sku,qty,loc\nX1,5,N\n"))[0]!, /none of the table's 4 columns, but 3 columns .*'sku'/);
  const positions = { column_1: "INTEGER", column_2: "VARCHAR" } as const;
  assert.match((await doubtsOf("id,name\n1,Ann\n", { current: positions }))[0]!, /^columns_renamed/);
  assert.deepEqual(await doubtsOf("3,Cy\n4,Di\n", { current: positions }), []);
});

test("columns that are only added, only left out, or of another kind in another place are no doubt", async () => {
  assert.deepEqual(await doubtsOf("id,name,amount,day,note\n7,Di,9.50,2024-02-01,x\n"), []);
  assert.deepEqual(await doubtsOf("id,amount\n7,9.50\n"), []);
  assert.deepEqual(await doubtsOf("id,name,day,paid\n7,Di,2024-02-01,true\n"), []);
  assert.deepEqual(await doubtsOf("id,amount,day,note\n7,9.50,2024-02-01,x\n"), [], "name was left out before");
  assert.deepEqual(await doubtsOf("id,name,net_amount,day\n7,Di,,2024-02-01\n"), [], "a column without a value");
  assert.deepEqual(await doubtsOf("id,name,net_amount,day\nx,Di,9.50,2024-02-01\n"), [], "no row loads");
  assert.deepEqual(await doubtsOf("id,customer\n7,Di\n", { current: {} }), [], "a new table");
});

test("the contract says what becomes of a renamed column", async () => {
  const text = "id,customer,amount,day\n7,Di,9.50,2024-02-01\n";
  const contract = (more: object): ParseSetup => ({ current: ORDERS, contract: more });
  const column = { name: "name", type: "VARCHAR", aliases: ["Customer"] };
  assert.deepEqual(await doubtsOf(text, contract({ columns: [column] })), []);
  assert.deepEqual(await doubtsOf(text, contract({ columns: [{ name: "customer", type: "VARCHAR" }] })), []);
  assert.deepEqual(await doubtsOf(text, contract({ accept: { newColumns: "load" } })), []);
  assert.equal((await doubtsOf(text, contract({ accept: { newColumns: "hold" } }))).length, 1);
  assert.deepEqual(await doubtsOf(text, contract({ unexpectedColumns: "ignore" })), []);
});
