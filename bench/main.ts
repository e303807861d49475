/** `npm run bench -- [embedded] [--rows N] [--rounds N]`: prints one JSON line per benchmark. */
import { parseArgs } from "node:util";
import { bigFile, manyFiles, smallFileLatency } from "./embedded.ts";

const { values } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: "string", default: "1000000" },
    rounds: { type: "string", default: "3" },
    files: { type: "string", default: "1000" },
  },
});
const print = (name: string, result: object): void => console.log(JSON.stringify({ bench: name, ...result }));

const rows = Number(values.rows);
const rounds = Number(values.rounds);
print("big file, upsert by contract (sales)", await bigFile({ rows, rounds, table: "sales" }));
print("big file, types inferred (replace)", await bigFile({ rows, rounds, table: "orders" }));
print("100-row file, upload to queryable", await smallFileLatency({ files: 40 }));
print("many small files", await manyFiles({ files: Number(values.files), tables: 20, rowsPerFile: 20 }));
