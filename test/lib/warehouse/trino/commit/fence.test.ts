import assert from "node:assert/strict";
import { after, describe, test, type TestContext } from "node:test";
import { TributaryError } from "../../../../../lib/errors.ts";
import type { CommitOptions, CommitReceipt, TableLayout, Warehouse } from "../../../../../lib/warehouse/warehouse.ts";
import { guardedMerge } from "../../../../../lib/warehouse/trino/commit/merge.ts";
import { trino } from "../../../../../lib/warehouse/trino/dialect.ts";
import { tableSql } from "../../../../../lib/warehouse/trino/names.ts";
import { columns, type Row } from "../../../../support/rows.ts";
import { assertCounts, LAYOUTS, TestTable, type Sent } from "../../../../support/test-table.ts";
import { until } from "../../../../support/until.ts";
import { trinoProxy, type Detour } from "../../../../support/trino-proxy.ts";
import { openTestTrino, trinoGiven } from "../../../../support/trino-server.ts";

const COLUMNS = columns({ id: "BIGINT", name: "VARCHAR" });
const rowsFrom = (first: number, count: number, name: string): Row[] =>
  Array.from({ length: count }, (_, k) => ({ id: first + k, name }));

const lost: CommitOptions = {
  confirmOwner: () => Promise.reject(new TributaryError("ASSIGNMENT_LOST", "the table is another's")),
};

/** The same table, written through another warehouse: another process's view of it. */
function through(warehouse: Warehouse, table: TestTable): TestTable {
  return Object.assign(new TestTable(warehouse, table.columns), { layout: table.layout });
}

async function commit(table: TestTable, options: CommitOptions, ...sent: Sent[]): Promise<CommitReceipt> {
  const files = await table.files(...sent);
  for (const file of files) await table.warehouse.ensureTable(table.layout, file.columns);
  try {
    return await table.warehouse.commit({ layout: table.layout, files }, options);
  } finally {
    for (const { stage } of files) await stage?.discard();
  }
}

if (trinoGiven("trino: a table has one writer")) {
  const server = await openTestTrino();
  after(() => server.close());

  /** The writer that had the table, and the one that has it now. */
  async function twoWriters(t: TestContext, layout: Partial<TableLayout>, adoptRowsMin = Infinity) {
    const [old, successor] = [await server.open({ adoptRowsMin }), await server.open({ adoptRowsMin })];
    t.after(async () => {
      await old.close();
      await successor.close();
    });
    const zombie = new TestTable(old, COLUMNS, layout);
    return { zombie, owner: through(successor, zombie) };
  }

  /** A warehouse whose statements may meet with trouble on their way. */
  async function troubled(t: TestContext, adoptRowsMin: number, detour: (sql: string) => Detour | undefined) {
    const proxy = await trinoProxy(`http://${new URL(server.url.replace("trino:", "http:")).host}`, detour);
    const warehouse = await server.open({ adoptRowsMin }, proxy.address);
    t.after(async () => {
      await warehouse.close();
      await proxy.close();
    });
    return warehouse;
  }

  /** Applies to the first statement that matches. */
  const once = (pattern: RegExp, detour: Detour) => {
    let done = false;
    return (sql: string): Detour | undefined => {
      if (done || !pattern.test(sql)) return undefined;
      done = true;
      return detour;
    };
  };

  describe("trino: a table has one writer", () => {
    for (const [name, layout] of Object.entries(LAYOUTS)) {
      test(`${name}: who has lost the table changes nothing after its successor's commit, recorded or not`, async (t) => {
        const { zombie, owner } = await twoWriters(t, layout);
        await commit(zombie, {}, { sourceFile: "f", sourceOffset: 1, rows: rowsFrom(0, 3, "old") });
        await commit(owner, {}, { sourceFile: "f", sourceOffset: 3, rows: rowsFrom(1, 1, "new") });
        const before = await owner.origins();
        const late = { sourceFile: "f", sourceOffset: 2, rows: rowsFrom(0, 3, "between") };
        await assert.rejects(commit(zombie, lost, late), { code: "ASSIGNMENT_LOST" });
        assert.deepEqual(await owner.origins(), before);
      });
    }

    test("who still has the table looks again, and commits", async (t) => {
      const { zombie: writer, owner: other } = await twoWriters(t, LAYOUTS["replace"]!);
      await commit(writer, {}, { sourceFile: "f", sourceOffset: 1, rows: rowsFrom(0, 3, "a") });
      await commit(other, {}, { sourceFile: "g", sourceOffset: 2, rows: rowsFrom(0, 3, "b") });
      let asked = 0;
      const confirmOwner = async (): Promise<void> => void (asked += 1);
      const third = { sourceFile: "h", sourceOffset: 3, rows: rowsFrom(0, 3, "c") };
      assertCounts(await commit(writer, { confirmOwner }, third), 3, 0, 0);
      assert.equal(asked, 1);
      assertCounts(await commit(writer, { confirmOwner }, { ...third, sourceFile: "i", sourceOffset: 4 }), 3, 0, 0);
      assert.equal(asked, 1, "nobody came between");
    });

    test("adopting too is for the owner only, even if its successor comes in the very last moment", async (t) => {
      const { zombie, owner } = await twoWriters(t, LAYOUTS["replace"]!, 2);
      await commit(owner, {}, { sourceFile: "e", sourceOffset: 0, rows: rowsFrom(0, 1, "x") });
      await commit(zombie, {}, { sourceFile: "f", sourceOffset: 1, rows: rowsFrom(0, 2, "f") });
      await commit(owner, {}, { sourceFile: "g", sourceOffset: 2, rows: rowsFrom(0, 2, "g") });
      const file = { sourceFile: "h", sourceOffset: 3, rows: rowsFrom(0, 2, "h") };
      await assert.rejects(commit(zombie, lost, file), { code: "ASSIGNMENT_LOST" });

      const interposed = once(/EXECUTE add_files/, {
        before: () => commit(owner, {}, { sourceFile: "i", sourceOffset: 4, rows: rowsFrom(0, 2, "i") }),
      });
      const late = through(await troubled(t, 2, interposed), owner);
      let confirmed = 0;
      const confirmOwner = async (): Promise<void> => {
        if (++confirmed > 1) await lost.confirmOwner!();
      };
      await assert.rejects(commit(late, { confirmOwner }, file), { code: "ASSIGNMENT_LOST" });
      assert.deepEqual(
        (await owner.rows(["_source_file"])).map(([name]) => name),
        ["e", "f", "f", "g", "g", "i", "i"],
      );
      assertCounts(await commit(owner, {}, file), 2, 0, 0);
    });

    test("a MERGE that another commit preceded is made again, from the table and the ledger as they are then", async (t) => {
      const { owner } = await twoWriters(t, LAYOUTS["replace"]!);
      await commit(owner, {}, { sourceFile: "f", sourceOffset: 1, rows: rowsFrom(0, 3, "old") });
      const interposed = once(/^MERGE/, {
        before: () => owner.ingest({ sourceFile: "f", sourceOffset: 3, rows: rowsFrom(0, 2, "new") }),
      });
      const writer = through(await troubled(t, Infinity, interposed), owner);
      const older = { sourceFile: "f", sourceOffset: 2, rows: rowsFrom(0, 3, "between") };
      assertCounts(await commit(writer, {}, older), 0, 0, 0);
      assert.deepEqual(await owner.rows(), [
        [0, "new"],
        [1, "new"],
      ]);
    });

    for (const mode of ["replace", "append"] as const) {
      test(`${mode}: rows of files that the table has nothing of are only inserted, until somebody else has written`, async (t) => {
        const merges: string[] = [];
        const notes = (sql: string): undefined => {
          if (sql.startsWith("MERGE")) merges.push(sql);
        };
        const { owner: other } = await twoWriters(t, LAYOUTS[mode]!);
        const writer = through(await troubled(t, Infinity, notes), other);
        const send = async (sourceFile: string, sourceOffset: number, id: number) => {
          await commit(writer, {}, { sourceFile, sourceOffset, rows: rowsFrom(id, 2, sourceFile) });
          return merges.at(-1)!.includes("ON false") ? "inserted" : "compared";
        };
        await commit(other, {}, { sourceFile: "old", sourceOffset: 1, rows: rowsFrom(0, 2, "old") });
        assert.equal(await send("a", 2, 10), "compared", "it had to look");
        assert.equal(await send("b", 3, 20), "inserted");
        assert.equal(await send("b", 4, 21), "compared", "it brought that one itself");
        assert.equal(await send("old", 5, 1), "compared", "the table had that one");
        assert.equal(await send("c", 6, 30), "inserted");
        await commit(other, {}, { sourceFile: "d", sourceOffset: 7, rows: rowsFrom(40, 2, "d") });
        assert.equal(await send("d", 7, 40), "compared", "another has brought that one");
        assert.equal(await send("e", 8, 50), "compared", "how large the table is now, it learns by its own commit");
        assert.equal(await send("f", 9, 60), "inserted");
        const again = mode === "append" ? ["b", "old"] : [];
        const versions = ["a", "b", "c", "d", "e", "f", "old", ...again].sort();
        const found = (await writer.rows(["_source_file"])).map(([name]) => name);
        assert.deepEqual(
          found,
          versions.flatMap((name) => [name, name]),
        );
      });

      test(`${mode}: a MERGE that only inserts fails beside another's rows, of whatever file`, async (t) => {
        const { owner } = await twoWriters(t, LAYOUTS[mode]!);
        for (const [sourceFile, sourceOffset] of [
          ["a", 1],
          ["b", 2],
        ] as const)
          await commit(owner, {}, { sourceFile, sourceOffset, rows: rowsFrom(0, 2, sourceFile) });
        const table = `"${owner.name}"`;
        const slow =
          "SELECT count(*) FROM UNNEST(sequence(1, 10000)) a(x) CROSS JOIN UNNEST(sequence(1, 8000)) b(y) WHERE x * y % 7 = 9";
        const merge = guardedMerge({
          dialect: trino,
          target: tableSql(owner.name),
          layout: owner.layout,
          columns: COLUMNS,
          files: [{ sourceFile: "c", sourceOffset: 3 }],
          rows: `SELECT * FROM ${table} WHERE (${slow}) = 0`,
          baseSnapshot: await owner.warehouse.version(owner.name),
          newFiles: true,
        });
        const merged = server.client.run(merge);
        const running = `SELECT 1 FROM system.runtime.queries WHERE state = 'RUNNING' AND query LIKE 'MERGE INTO ${table}%'`;
        await until("the MERGE has read its table", async () => (await server.client.run(running)).rows.length > 0);
        const inserted = server.client.run(`INSERT INTO ${table} SELECT * FROM ${table} WHERE "_source_file" = 'b'`);
        const [first, second] = await Promise.allSettled([merged, inserted]);
        assert.equal(second.status, "fulfilled");
        assert.match(String((first as PromiseRejectedResult).reason), /conflicting files/);
      });
    }

    for (const [what, pattern, adoptRowsMin] of [
      ["MERGE", /^MERGE/, Infinity],
      ["add_files", /EXECUTE add_files/, 2],
    ] as const) {
      test(`${what}: a statement whose answer is lost is not made twice`, async (t) => {
        const warehouse = await troubled(t, adoptRowsMin, once(pattern, { lost: true }));
        const table = new TestTable(warehouse, COLUMNS);
        await commit(table, {}, { sourceFile: "f", sourceOffset: 1, rows: rowsFrom(0, 50, "x") });
        assert.equal((await table.rows()).length, 50);
        assertCounts(
          await commit(table, {}, { sourceFile: "f", sourceOffset: 2, rows: rowsFrom(0, 49, "x") }),
          0,
          0,
          1,
        );
      });
    }
  });
}
