/**
 * A process for kill tests: commits versions of a file into the given DuckDB file and prints each version.
 * Run as `node --import tsx test/support/crashing-warehouse.ts <file> <first version>`.
 */
import { openWarehouse } from "../../lib/warehouse/open.ts";
import { columns, fileVersion, outcomeOf } from "./rows.ts";

const [file = "", first = "1"] = process.argv.slice(2);
const warehouse = await openWarehouse(`duckdb:${file}`);
const definitions = columns({ id: "INTEGER", text: "VARCHAR" });
const layout = { table: "t", mode: "replace", key: [], deleteMissing: false, partitioning: [] } as const;

for (let sourceOffset = Number(first); ; sourceOffset++) {
  const rows = Array.from({ length: 2000 }, (_, id) => ({ id, text: `version ${sourceOffset} of a rather long text` }));
  const version = await fileVersion(warehouse, "t", { sourceFile: "f", sourceOffset, columns: definitions, rows });
  await warehouse.ensureTable(layout, definitions);
  await warehouse.commit({ layout, files: [version] });
  process.stdout.write(`committed ${sourceOffset}\n`);
  await warehouse.record("t", [outcomeOf(version)], 0);
  process.stdout.write(`recorded ${sourceOffset}\n`);
  await version.stage?.discard();
}
