import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheDir, install, runTool, type Program } from "../../../scripts/stack/programs/install.ts";
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
    const [[history] = []] = await trino.rows(`SELECT count(*) FROM "${name}$snapshots"`);
    if (Number(history) !== metadata.snapshots.length)
      wrong.push(`Trino: ${name} has ${Number(history)} of ${metadata.snapshots.length} snapshots`);
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
  const found = new Set(read.snapshots);
  const missing = metadata.snapshots.filter(({ id }) => !found.has(String(id)));
  if (missing.length > 0)
    faults.push(`PyIceberg: ${name} lacks ${missing.length} of ${metadata.snapshots.length} snapshots`);
  return faults;
}

/** PyIceberg as pinned in pyiceberg.txt, apart from other Python packages. */
async function program(): Promise<Program> {
  const pins = join(ROOT, "test", "stack", "storm", "pyiceberg.txt");
  const digest = createHash("sha256").update(await readFile(pins)).digest("hex"); // prettier-ignore
  return {
    name: "pyiceberg",
    version: digest.slice(0, 8),
    async build(into) {
      const args = ["-m", "pip", "install", "--quiet", "--target", into, "-r", pins];
      await runTool("python3", args, { missing: "Python 3 with pip is required to install PyIceberg", cwd: into });
    },
  };
}

async function pyIceberg(
  { s3, restCatalog, schema }: RunningStack["file"],
  tables: Histories["tables"],
  say: (line: string) => void,
): Promise<Record<string, ReadTable>> {
  const home = await install(cacheDir(process.env), await program(), say);
  const known = new Set<string>(TABLES.map(({ name }) => name));
  const request = {
    namespace: schema,
    catalog: {
      type: "rest",
      uri: restCatalog.uri,
      warehouse: restCatalog.warehouse,
      credential: restCatalog.credential,
      scope: "catalog",
      "oauth2-server-uri": restCatalog.oauth2ServerUri,
      "s3.endpoint": s3.endpoint,
      "s3.region": s3.region,
      "s3.access-key-id": s3.accessKey,
      "s3.secret-access-key": s3.secretKey,
    },
    tables: Object.fromEntries(
      [...tables].map(([name, { snapshots }]) => [
        name,
        { select: known.has(name) ? COMPARED : [], snapshots: sampleOf(snapshots).map(({ id }) => String(id)) },
      ]),
    ),
  };
  const script = join(ROOT, "test", "stack", "storm", "read_tables.py");
  return JSON.parse(await run(script, home, JSON.stringify(request))) as Record<string, ReadTable>;
}

function run(script: string, packages: string, input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: "1" };
    const child = spawn("python3", [script], { env, stdio: ["pipe", "pipe", "inherit"] });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(Buffer.concat(chunks).toString("utf8"));
      else reject(new Error(`${script} failed with exit code ${code}`));
    });
    child.stdin.end(input);
  });
}
