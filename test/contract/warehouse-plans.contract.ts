import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { hasCode } from "../../lib/errors.ts";
import type { LoadPlan } from "../../lib/messages/generated.ts";
import type { FileVersion, Stage } from "../../lib/warehouse/warehouse.ts";
import { columns, RECEIVED_AT_MS } from "../support/rows.ts";
import { TestTable } from "../support/test-table.ts";
import type { Opened } from "./warehouse-subject.ts";

const COLUMNS = columns({
  id: "INTEGER",
  big: "BIGINT",
  amount: "DECIMAL(18,2)",
  share: "DOUBLE",
  yes: "BOOLEAN",
  day: "DATE",
  at: "TIMESTAMP",
  zoned: "TIMESTAMP WITH TIME ZONE",
  note: "VARCHAR",
});
const HEADER = COLUMNS.map(({ header }) => header).join(",");
const KEYED = columns({ id: "INTEGER", note: "VARCHAR" });

/** Rows that load by a plan, in place of row batches. */
export function planContract(opened: Opened): void {
  describe("load plans", () => {
    const folders: string[] = [];
    after(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

    interface Planned {
      table: TestTable;
      text: string;
      plan?: Partial<LoadPlan>;
      sourceFile?: string;
      sourceOffset?: number;
    }

    /** Loads the text into the stage; its rows are those that are neither excluded nor ragged. */
    async function load(stage: Stage, { table, text, plan = {}, sourceFile = "p.csv", sourceOffset = 1 }: Planned) {
      const folder = await mkdtemp(join(tmpdir(), "tributary-plans-"));
      folders.push(folder);
      const path = join(folder, "raw");
      await writeFile(path, text);
      const left = (plan.excluded?.length ?? 0) + (plan.ragged?.length ?? 0);
      const whole: LoadPlan = {
        ...{ blobKey: "raw", contentHash: text.slice(0, 64), delimiter: ",", quote: '"', header: true },
        fields: table.columns.map(({ name, type }) => ({ column: name, type, nullMarkers: [], padded: false })),
        rowCount: text.trimEnd().split("\n").length - 1 - left,
        ...{ excluded: [], ragged: [], recordBytesMax: 1_000, textBytes: text.length },
        ...{ rowsOffset: sourceOffset, receivedAtMs: RECEIVED_AT_MS },
        ...plan,
      };
      await stage.load({ plan: whole, path, compression: "none", sourceFile });
    }

    async function planned(input: Planned): Promise<FileVersion> {
      const { table, sourceFile = "p.csv", sourceOffset = 1 } = input;
      const stage = opened.warehouse.stage(table.name, `run ${sourceFile} ${sourceOffset}`);
      await load(stage, input);
      return {
        fileId: `${table.name}-${sourceFile}-${sourceOffset}`,
        sourceFile,
        sourceOffset,
        columns: table.columns,
        stage,
      };
    }

    test("every type, blanks and NULL; ordinals count the rows that are left out", async () => {
      const table = new TestTable(opened.warehouse, COLUMNS);
      const lines = [
        HEADER,
        '1,9223372036854775807,-12.50,1.5e300,true,2024-02-29,2024-02-29T23:59:59.123456,2024-01-01 00:30:00+02:00,"a ""b"", c"',
        "x,,,,,,,,left out",
        "3,only",
        " 4 ,-1, 7 ,NaN,FALSE, 0001-01-01 ,9999-12-31 10:00, 2024-01-01T00:30Z , n/a",
        ",,,,,,,,",
        '6,,NONE,,,,,,""',
      ];
      const fields = COLUMNS.map(({ name, type }) => ({ column: name, type, nullMarkers: ["NONE"], padded: true }));
      const version = await planned({
        table,
        text: `${lines.join("\n")}\n`,
        plan: { excluded: [2], ragged: [3], fields },
      });
      assert.equal(version.stage!.rowCount, 4);
      await table.commitVersions([version]);
      await version.stage!.discard();
      const texts = COLUMNS.map(({ name, type }) =>
        type === "DOUBLE" || type === "VARCHAR" || type === "BOOLEAN" ? `"${name}"` : `CAST("${name}" AS VARCHAR)`,
      );
      const found = await table.query(`SELECT ${texts.slice(0, 6).join(", ")}, note FROM $t ORDER BY _source_row`);
      assert.deepEqual(found, [
        ["1", "9223372036854775807", "-12.50", 1.5e300, true, "2024-02-29", 'a "b", c'],
        ["4", "-1", "7.00", "NaN", false, "0001-01-01", " n/a"],
        [null, null, null, null, null, null, null],
        ["6", null, null, null, null, null, null],
      ]);
      const moments = await table.query(
        `SELECT year("at"), month("at"), CAST(to_unixtime(zoned) AS BIGINT) FROM $t WHERE id < 6 ORDER BY id`.replace(
          "to_unixtime(zoned)",
          opened.subject.sql === "trino" ? "to_unixtime(zoned)" : "epoch(zoned)",
        ),
      );
      assert.deepEqual(moments, [[2024, 2, 1_704_061_800], [9999, 12, 1_704_069_000]]); // prettier-ignore
      assert.deepEqual(
        await table.origins(),
        [1, 4, 5, 6].map((row) => ["p.csv", 1, row]),
      );
    });

    test("upserts take the last row of a key, and the file's next version", async () => {
      const table = new TestTable(opened.warehouse, KEYED, { mode: "upsert", key: ["id"] });
      const first = await planned({ table, text: "ID,NOTE\n1,a\n2,b\n1,c\n" });
      await table.commitVersions([first]);
      assert.deepEqual(await table.query("SELECT id, note FROM $t ORDER BY id"), [[1, "c"], [2, "b"]]); // prettier-ignore
      const second = await planned({ table, text: "ID,NOTE\n2,d\n3,e\n", sourceOffset: 2 });
      await table.commitVersions([second]);
      const expected = [[1, "c"], [2, "d"], [3, "e"]]; // prettier-ignore
      assert.deepEqual(await table.query("SELECT id, note FROM $t ORDER BY id"), expected);
      await table.commitVersions([second]);
      assert.deepEqual(await table.query("SELECT id, note FROM $t ORDER BY id"), expected, "again changes nothing");
      await Promise.all([first, second].map(({ stage }) => stage!.discard()));
    });

    test("share a commit with row batches; a replaced file's rows go", async () => {
      const table = new TestTable(opened.warehouse, KEYED);
      const before = await planned({ table, text: "ID,NOTE\n1,a\n2,b\n" });
      await table.commitVersions([before]);
      const [rows] = await table.files({ sourceFile: "r.csv", sourceOffset: 3, rows: [{ id: 7, note: "r" }] });
      const after = await planned({ table, text: "ID,NOTE\n5,x\n", sourceOffset: 2 });
      await table.commitVersions([after, rows!]);
      assert.deepEqual(await table.query("SELECT id, note FROM $t ORDER BY id"), [[5, "x"], [7, "r"]]); // prettier-ignore
      await Promise.all([before, after, rows!].map(({ stage }) => stage!.discard()));
    });

    test("that do not load leave the stage as it was", async () => {
      const table = new TestTable(opened.warehouse, KEYED);
      const stage = opened.warehouse.stage(table.name, "run");
      const fails = (text: string, plan: Partial<LoadPlan> = {}): Promise<void> =>
        assert.rejects(load(stage, { table, text, plan }), (thrown) => hasCode(thrown, "LOAD_PLAN_FAILED"));
      await fails("ID,NOTE\n1,a\n2,b\n", { rowCount: 3 });
      await fails("ID,NOTE\nx,a\n");
      await fails("ID,NOTE\n1\n");
      await fails('ID,NOTE\n1,"a\n');
      assert.deepEqual([stage.rowCount, stage.sizeBytes], [0, 0]);
      await load(stage, { table, text: "ID,NOTE\n1,a\n" });
      assert.equal(stage.rowCount, 1);
      const version = { fileId: "f", sourceFile: "p.csv", sourceOffset: 1, columns: table.columns, stage };
      await table.commitVersions([version]);
      assert.deepEqual(await table.query("SELECT id, note FROM $t"), [[1, "a"]]);
      await stage.discard();
    });
  });
}
