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

const ambiguous = async (header: string, setup: ParseSetup, row = "1,2"): Promise<string | undefined> =>
  (await doubtsOf(`${header}\n${row}\n`, setup)).find((doubt) => doubt.startsWith("columns_ambiguous"));

test("two headers of a file that mean one column are in doubt", async () => {
  const column = { name: "order_no", type: "INTEGER", aliases: ["Ordre", "Order No.", "Größe"] };
  const contract = { contract: { columns: [column] } };
  assert.match(
    (await ambiguous("Ordre,Order No.", contract)) ?? "",
    /'Ordre' and 'Order No\.' mean the column 'order_no'/,
  );
  for (const header of [
    "order_no,Ordre",
    "Ordre,order_no",
    "Ordre,ORDRE",
    "order_no,Order No",
    "order_no,order_no",
    "Gr\u00f6\u00dfe,Gro\u0308\u00dfe",
    "Order-No,Order/No",
  ]) {
    assert.ok(await ambiguous(header, contract), header);
    assert.ok(await ambiguous(header, { contract: { columns: [column], unexpectedColumns: "ignore" } }), header);
    assert.ok(await ambiguous(header, { contract: { columns: [column], accept: { newColumns: "load" } } }), header);
  }
  for (const header of ["id,ID", "id, Id", "i\u200bd,id", "id,id"]) {
    assert.ok(await ambiguous(header, { current: { id: "INTEGER" } }), header);
  }
});

test("headers with columns of their own are no doubt", async () => {
  const column = { name: "order_no", type: "INTEGER", aliases: ["Ordre"] };
  const contract = { contract: { columns: [column] } };
  assert.equal(await ambiguous("Ordre,note", contract), undefined);
  assert.equal(await ambiguous("order_no,Ordre", contract, "1,"), undefined, "the second has no value");
  assert.ok(await ambiguous("order_no,Ordre", contract, ",2"), "the values are in the second");
  assert.equal(await ambiguous("order_no,Order No %", contract), undefined, "a sign tells them apart");
  assert.equal(await ambiguous("id,ID", {}), undefined, "a new table");
  const known = [
    { name: "id", type: "INTEGER" as const, header: "id" },
    { name: "id_2", type: "INTEGER" as const, header: "ID" },
  ];
  assert.equal(await ambiguous("ID,id", { job: { known } }), undefined, "the table has both");
});
