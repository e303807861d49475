import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { columns, type Cell } from "../support/rows.ts";
import { LAYOUTS, TestTable, type Sent } from "../support/test-table.ts";
import { ModelTable, type ModelFile } from "../support/warehouse-model.ts";
import type { Opened } from "./warehouse-subject.ts";

const COLUMNS = columns({ id: "INTEGER", name: "VARCHAR", money: "DECIMAL(9,2)" });
const LAYOUT_NAMES = Object.keys(LAYOUTS);
type LayoutName = (typeof LAYOUT_NAMES)[number];
const FILES = ["a.csv", "b's.csv", "c.csv"];

/** One step of a history: file versions committed together; then recorded, or the whole done again first as after a crash. */
interface Step {
  files: { file: string; rows: Cell[][] | null }[];
  crash: boolean;
  /** Send the last recorded batch once more. */
  replay: boolean;
}

const cells = fc.tuple(
  fc.integer({ min: 1, max: 6 }),
  fc.constantFrom("x", "y", "", null),
  fc.constantFrom("1.00", "2.50", null),
);
const versionOf = fc.record({
  file: fc.constantFrom(...FILES),
  rows: fc.option(fc.array(cells, { maxLength: 7 }), { freq: 8 }),
});
const step: fc.Arbitrary<Step> = fc.record({
  files: fc.array(versionOf, { minLength: 1, maxLength: 3 }),
  crash: fc.boolean(),
  replay: fc.boolean(),
});

/** Random histories of files against the model, row for row, version for version. */
export function modelContract(opened: Opened): void {
  describe("commit against a model", () => {
    const histories: [string, fc.Arbitrary<LayoutName>][] = [
      ...LAYOUT_NAMES.map((name): [string, fc.Arbitrary<LayoutName>] => [name, fc.constant(name)]),
      ["a write mode that changes", fc.constantFrom(...LAYOUT_NAMES)],
    ];
    for (const [name, layouts] of histories) {
      test(`${name}: any history`, async () => {
        const steps = fc.array(fc.tuple(step, layouts), { minLength: 1, maxLength: 6 });
        const property = fc.asyncProperty(steps, async (history) => {
          const table = new TestTable(opened.warehouse, COLUMNS);
          await opened.warehouse.ensureTable(table.layout, COLUMNS);
          const model = new ModelTable({ ...LAYOUTS[history[0]![1]]!, keyIndexes: [0] });
          let offset = 0;
          let last: ModelFile[] = [];
          for (const [{ files, crash, replay }, layoutName] of history) {
            table.layout = { ...table.layout, ...LAYOUTS[layoutName] };
            model.layout = { ...LAYOUTS[layoutName]!, keyIndexes: [0] };
            if (replay && last.length > 0) await compare(table, model, last);
            last = files.map(({ file, rows }) => ({ file, rows, offset: (offset += 1) }));
            await compare(table, model, last);
            if (crash) await compare(table, model, last);
            const versions = await table.files(...last.map(sent));
            await table.record(versions);
            model.record(last);
          }
        });
        await fc.assert(property, {
          numRuns: opened.subject.histories,
          endOnFailure: opened.subject.histories < 20,
        });
      });
    }
  });
}

const sent = ({ file, offset, rows }: ModelFile): Sent => ({
  sourceFile: file,
  sourceOffset: offset,
  fileId: `${file}@${offset}@${Math.random()}`,
  rows:
    rows?.map((row) => Object.fromEntries(COLUMNS.map((column, index) => [column.name, row?.[index] ?? null]))) ?? null,
});

/** Commits to both; the same counts, then the same rows. */
async function compare(table: TestTable, model: ModelTable, files: readonly ModelFile[]): Promise<void> {
  const { rowsInserted, rowsUpdated, rowsDeleted } = await table.commit(...files.map(sent));
  assert.deepEqual({ rowsInserted, rowsUpdated, rowsDeleted }, model.commit(files));
  const found = await table.query("SELECT id, name, money, _source_file, _source_offset, _source_row FROM $t");
  const expected = model.rows.map((row) => [...row.cells, row.file, row.offset, row.row]);
  assert.deepEqual(inOrder(found), inOrder(expected));
}

const inOrder = (rows: unknown[][]): string[] => rows.map((row) => JSON.stringify(row)).toSorted();
