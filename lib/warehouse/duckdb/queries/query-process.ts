/**
 * A process that runs users' queries, one at a time, over a copy of the database. It holds nothing that the
 * product needs: if a query crashes it or is killed at its deadline, only that query is lost. It receives no
 * environment, reads no file except its copy, and locks DuckDB's configuration.
 */
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import { hasCode, messageOf } from "../../../errors.ts";
import { ResultSize } from "../../result-size.ts";
import { identifier } from "../../sql/sql.ts";
import { duckdb } from "../dialect.ts";
import type { FailedReply, QueryReply, QueryRequest } from "./protocol.ts";
import { Replica } from "./replica.ts";
import { checkSelect, type Catalog } from "./select-guard.ts";
import { columnsOf, jsonValue } from "./values.ts";

process.on("disconnect", () => process.exit(0));
process.on("message", (request: QueryRequest) => void answer(request));
await reply({ kind: "started" });

async function answer(request: QueryRequest): Promise<void> {
  let opening = true;
  try {
    const database = await openCopy(request);
    opening = false;
    const connection = await database.instance.connect();
    try {
      await connection.run(`USE ${identifier(request.database)}.${identifier(request.schema)}`);
      for (const part of request.parts) await checkOne(part, database);
      await run(connection, await checked(request.sql, database), request.rowsMax);
    } finally {
      connection.closeSync();
    }
  } catch (thrown) {
    await reply({ ...failureOf(thrown), opening });
  }
}

/** The copy that this process holds, with a DuckDB instance that can access nothing else. */
interface Copy {
  folder: string;
  replica: Replica;
  instance: DuckDBInstance;
  own: DuckDBConnection;
  catalog: Catalog;
  isAttached: boolean;
}
let copy: Copy | undefined;

/** Updates the copy, reports this, and attaches it. */
async function openCopy(request: QueryRequest): Promise<Copy> {
  if (copy?.folder !== request.folder) {
    copy?.own.closeSync();
    copy?.instance.closeSync();
    copy = undefined;
    copy = await openInstance(request);
  }
  const { replica, own } = copy;
  const name = identifier(request.database);
  const isNew = await replica.refresh(async () => {
    copy!.isAttached = false;
    await own.run(`DETACH DATABASE IF EXISTS ${name}`);
  });
  await reply({ kind: "copied" });
  if (isNew || !copy.isAttached) {
    await own.run(`ATTACH ${duckdb.stringLiteral(replica.path)} AS ${name} (READ_ONLY)`);
    copy.isAttached = true;
  }
  return copy;
}

async function openInstance(request: QueryRequest): Promise<Copy> {
  const replica = new Replica(request.file, request.folder);
  const instance = await DuckDBInstance.create(":memory:", {
    memory_limit: `${Math.ceil(request.memoryBytesMax / 1024)}KiB`,
    max_temp_directory_size: `${Math.ceil(request.spillBytesMax / 1024)}KiB`,
    temp_directory: `${request.folder}/spill`,
    threads: String(request.threads),
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    allow_community_extensions: "false",
  });
  const own = await instance.connect();
  const allowed = ["", ".wal", ".wal.checkpoint", ".wal.recovery"]
    .map((end) => `${replica.path}${end}`)
    .map((path) => duckdb.stringLiteral(path))
    .join(", ");
  await own.run(`
    SET GLOBAL TimeZone = 'UTC';
    SET GLOBAL allowed_paths = [${allowed}];
    SET GLOBAL enable_external_access = false;
    SET GLOBAL lock_configuration = true`);
  const views = await own.runAndReadAll("SELECT lower(view_name) FROM duckdb_views() WHERE internal");
  const builtinViews = new Set(views.getRows().map(([name]) => String(name)));
  const catalog = { database: request.database, schema: request.schema, builtinViews };
  return { folder: request.folder, replica, instance, own, catalog, isAttached: false };
}

/** EXPLAIN and the options that may precede its query. */
const EXPLAIN = /^\s*EXPLAIN\s+(ANALYZE\s+)?(\(\s*FORMAT\s+\w+\s*\)\s*)?/i;

/**
 * The statement to run: the query after the check of its tree, or EXPLAIN with a query that was checked
 * without the EXPLAIN prefix.
 * @throws QUERY_NOT_READ_ONLY, QUERY_FAILED
 */
async function checked(sql: string, database: Copy): Promise<string> {
  const [prefix = ""] = EXPLAIN.exec(sql) ?? [];
  await checkOne(sql.slice(prefix.length), database);
  return sql;
}

/** Checks the tree of one SELECT. @throws QUERY_NOT_READ_ONLY, QUERY_FAILED */
async function checkOne(select: string, { own, catalog }: Copy): Promise<void> {
  const serialized = await own.runAndReadAll("SELECT json_serialize_sql($1::VARCHAR)", [select]);
  checkSelect(String(serialized.getRows()[0]![0]), catalog);
}

async function run(connection: DuckDBConnection, sql: string, rowsMax: number): Promise<void> {
  const result = await connection.stream(sql);
  await reply({ kind: "columns", columns: columnsOf(result) });
  let count = 0;
  const size = new ResultSize();
  for (;;) {
    const chunk = await result.fetchChunk();
    if (!chunk || chunk.rowCount === 0) return reply({ kind: "done", truncated: false });
    const rows: unknown[][] = [];
    for (let index = 0; index < chunk.rowCount; index++) {
      const row = count === rowsMax ? undefined : chunk.getRowValues(index).map(jsonValue);
      if (row === undefined || !size.takes(row)) {
        await reply({ kind: "rows", rows });
        return reply({ kind: "done", truncated: true });
      }
      rows.push(row);
      count += 1;
    }
    await reply({ kind: "rows", rows });
  }
}

const EXHAUSTED = /out of memory|bad.alloc|allocation fail/i;

function failureOf(thrown: unknown): Omit<FailedReply, "opening"> {
  const message = messageOf(thrown);
  const exhausted = EXHAUSTED.test(message);
  for (const code of ["QUERY_NOT_READ_ONLY", "QUERY_FAILED"] as const)
    if (hasCode(thrown, code)) return { kind: "failed", code, message, exhausted };
  const isFault = !exhausted && (!/^\w[\w ]* Error: /.test(message) || /^FATAL Error|been invalidated/.test(message));
  return { kind: "failed", code: isFault ? "WAREHOUSE_UNAVAILABLE" : "QUERY_FAILED", message, exhausted };
}

/**
 * Resolves when the message is sent: a slow reader slows the query instead of filling this process's memory.
 */
function reply(message: QueryReply): Promise<void> {
  return new Promise((resolve) => process.send!(message, () => resolve()));
}
