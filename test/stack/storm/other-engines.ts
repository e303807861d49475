import { join } from "node:path";
import { pyIcebergCatalog, runPyIceberg } from "../../../scripts/stack/programs/pyiceberg.ts";
import { ROOT } from "../../../scripts/stack/paths.ts";
import type { RunningStack } from "../../../scripts/stack/stack.ts";
import type { TableMetadata } from "../../../lib/warehouse/iceberg/catalog/schemas.ts";
import { sampleOf, type Histories } from "../../support/iceberg-history.ts";
import { trinoReader } from "./readers.ts";
import { TABLES } from "./tables.ts";
import type { Sent } from "./traffic.ts";
import { COMPARED, faultsFound, rowFaults, type LedgerRow } from "./verdict.ts";

/** What other engines read otherwise than it was sent. Trino reads the catalog `rest` of its settings. */
export async function otherEnginesFaults(
  { file }: RunningStack,
  { tables }: Histories,
  { sent, ledger, say }: { sent: Sent; ledger: readonly LedgerRow[]; say: (line: string) => void },
): Promise<string[]> {
  const trino = trinoReader(file.trino!, { catalog: "rest", schema: file.schema });
  const wrong = (await faultsFound(trino, sent)).map((fault) => `Trino: ${fault}`);
  const read = await pyIceberg(file, tables, say);
  for (const [name, metadata] of tables) {
    const types = await trino.rows(
      `SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = '${file.schema}' AND table_name = '${name}'`,
    );
    wrong.push(...typeFaults(`Trino: ${name}`, metadata, types.map(([column, type]) => [String(column), ofTrino(String(type))]))); // prettier-ignore
    for (const { id } of sampleOf(metadata.snapshots)) {
      const [[count] = []] = await trino.rows(`SELECT count(*) FROM "${name}" FOR VERSION AS OF ${id}`);
      const other = read[name]?.counts[String(id)];
      if (Number(count) !== other)
        wrong.push(`${name} at ${id}: ${Number(count)} rows in Trino, ${other} in PyIceberg`);
    }
    const snapshots = await trino.rows(`SELECT CAST(snapshot_id AS VARCHAR) FROM "${name}$snapshots"`);
    const ids = snapshots.map(([id]) => String(id));
    wrong.push(...historyFaults(`Trino: ${name}`, metadata, ids));
    wrong.push(...pyIcebergFaults(name, metadata, read[name]));
  }
  for (const table of TABLES) {
    const rows = read[table.name]?.rows;
    if (rows) wrong.push(...rowFaults(table, rows, ledger, sent).map((fault) => `PyIceberg: ${fault}`));
  }
  return wrong;
}

/** A type of Trino in the words of Iceberg's specification. */
const ofTrino = (type: string): string =>
  ({ bigint: "long", integer: "int", varchar: "string", real: "float", "timestamp(6)": "timestamp" })[type] ??
  type.replace("timestamp(6) with time zone", "timestamptz");

function typeFaults(what: string, { fields }: TableMetadata, types: readonly (readonly [string, string])[]): string[] {
  const text = (pairs: readonly (readonly [string, string])[]): string =>
    pairs.map((pair) => pair.join(" ").replaceAll(", ", ",")).join("; ");
  const expected = text(fields.map(({ name, type }) => [name, String(type)] as const));
  return expected === text(types) ? [] : [`${what} has the columns ${text(types)}, expected ${expected}`];
}

/** What test/stack/storm/read_tables.py prints of a table. */
interface ReadTable {
  columns: Record<string, string>;
  rows: unknown[][];
  snapshots: string[];
  counts: Record<string, number>;
}

function pyIcebergFaults(name: string, metadata: TableMetadata, read: ReadTable | undefined): string[] {
  if (!read) return [`PyIceberg: ${name} was not read`];
  const faults = typeFaults(`PyIceberg: ${name}`, metadata, Object.entries(read.columns));
  return [...faults, ...historyFaults(`PyIceberg: ${name}`, metadata, read.snapshots)];
}

/** More snapshots are right: maintenance may commit between the check of the histories and the services' end. */
function historyFaults(what: string, { snapshots }: TableMetadata, ids: readonly string[]): string[] {
  const found = new Set(ids);
  const missing = snapshots.filter(({ id }) => !found.has(String(id)));
  return missing.length === 0 ? [] : [`${what} lacks ${missing.length} of ${snapshots.length} snapshots`];
}

async function pyIceberg(
  file: RunningStack["file"],
  tables: Histories["tables"],
  say: (line: string) => void,
): Promise<Record<string, ReadTable>> {
  const known = new Set<string>(TABLES.map(({ name }) => name));
  const request = {
    namespace: file.schema,
    catalog: pyIcebergCatalog(file),
    tables: Object.fromEntries(
      [...tables].map(([name, { snapshots }]) => [
        name,
        { select: known.has(name) ? COMPARED : [], snapshots: sampleOf(snapshots).map(({ id }) => String(id)) },
      ]),
    ),
  };
  const script = join(ROOT, "test", "stack", "storm", "read_tables.py");
  return (await runPyIceberg(script, request, say)) as Record<string, ReadTable>;
}
