/**
 * A process that runs users' queries, one at a time, over a copy of the database or a catalog. It holds
 * nothing that the product needs: if a query crashes it or is killed at its deadline, only that query is
 * lost. It receives no environment, reads no file except its copy or the catalog's files, and locks DuckDB's
 * configuration.
 */
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import { systemClock } from "../../../clock.ts";
import { hasCode, messageOf } from "../../../errors.ts";
import { retry } from "../../../retry.ts";
import { ResultSize } from "../../result-size.ts";
import { identifier } from "../../sql/sql.ts";
import { duckdb } from "../dialect.ts";
import { isBeforeFirstSnapshot, isInvalidating } from "../errors.ts";
import type { AttachedCatalog, CopiedFile, FailedReply, QueryReply, QueryRequest } from "./protocol.ts";
import { Replica } from "./replica.ts";
import { checkSelect, type Catalog } from "./select-guard.ts";
import { columnsOf, jsonValue } from "./values.ts";

process.on("disconnect", () => process.exit(0));
process.on("message", (request: QueryRequest) => void answer(request));
await reply({ kind: "started" });

/** A table's first commit at the same moment is visible to the next attempt. */
const FIRST_SNAPSHOT = { attemptsMax: 6, backoffMsMin: 20, backoffMsMax: 500, retryable: isBeforeFirstSnapshot };

async function answer(request: QueryRequest): Promise<void> {
  let opening = true;
  try {
    await retry(systemClock, FIRST_SNAPSHOT, async () => {
      opening = true;
      const database = await openSource(request);
      opening = false;
      await runIn(database, request);
    });
  } catch (thrown) {
    if (isInvalidating(thrown)) closeSource();
    await reply({ ...failureOf(thrown), opening });
  }
}

async function runIn(database: Opened, request: QueryRequest): Promise<void> {
  const connection = await database.instance.connect();
  try {
    await connection.run(`USE ${identifier(request.database)}.${identifier(request.schema)}`);
    for (const part of request.parts) await checkOne(part, database);
    await run(connection, await checked(request.sql, database), request.rowsMax);
  } finally {
    connection.closeSync();
  }
}

/** A DuckDB instance that can access nothing but the source of its queries. */
interface Opened {
  /** What it was opened for; another source needs another instance. */
  key: string;
  instance: DuckDBInstance;
  own: DuckDBConnection;
  catalog: Catalog;
  /** Brings it up to date before a query. */
  refresh: (request: QueryRequest) => Promise<void>;
}
let opened: Opened | undefined;

async function openSource(request: QueryRequest): Promise<Opened> {
  const { source, folder } = request;
  const key = JSON.stringify([folder, source.kind === "file" ? source.file : [source.open, source.folders]]);
  if (opened?.key !== key) {
    closeSource();
    opened = source.kind === "file" ? await openFile(key, request, source) : await openCatalog(key, request, source);
  }
  await opened.refresh(request);
  return opened;
}

function closeSource(): void {
  opened?.own.closeSync();
  opened?.instance.closeSync();
  opened = undefined;
}

/** Opens a copy of a database file. `refresh` updates the copy, reports this, and attaches it. */
async function openFile(key: string, request: QueryRequest, { file }: CopiedFile): Promise<Opened> {
  const replica = new Replica(file, request.folder);
  const paths = ["", ".wal", ".wal.checkpoint", ".wal.recovery"].map((end) => `${replica.path}${end}`);
  const instance = await createInstance(request);
  const { own, catalog } = await locked(instance, request, `allowed_paths = [${duckdb.stringList(paths)}]`);
  const name = identifier(request.database);
  let isAttached = false;
  const refresh = async (): Promise<void> => {
    const isNew = await replica.refresh(async () => {
      isAttached = false;
      await own.run(`DETACH DATABASE IF EXISTS ${name}`);
    });
    await reply({ kind: "copied" });
    if (!isNew && isAttached) return;
    await own.run(`ATTACH ${duckdb.stringLiteral(replica.path)} AS ${name} (READ_ONLY)`);
    isAttached = true;
  };
  return { key, instance, own, catalog, refresh };
}

/** Opens a catalog. `refresh` makes views of the relations that the query may name. */
async function openCatalog(key: string, request: QueryRequest, source: AttachedCatalog): Promise<Opened> {
  const instance = await createInstance(request);
  const first = await instance.connect();
  const schema = [request.database, request.schema].map(identifier).join(".");
  const database = [`ATTACH ':memory:' AS ${identifier(request.database)}`, `CREATE SCHEMA ${schema}`];
  for (const statement of [...source.open, ...database]) await first.run(statement);
  first.closeSync();
  const { own, catalog } = await locked(
    instance,
    request,
    `allowed_directories = [${duckdb.stringList(source.folders)}]`,
  );
  const refresh = async ({ source: now }: QueryRequest): Promise<void> => {
    await reply({ kind: "copied" });
    await own.run(`DROP SCHEMA ${schema} CASCADE`);
    await own.run(`CREATE SCHEMA ${schema}`);
    for (const { name, select } of (now as AttachedCatalog).relations)
      await own.run(`CREATE VIEW ${schema}.${identifier(name)} AS ${select}`);
  };
  return { key, instance, own, catalog, refresh };
}

const createInstance = (request: QueryRequest): Promise<DuckDBInstance> =>
  DuckDBInstance.create(":memory:", {
    memory_limit: `${Math.ceil(request.memoryBytesMax / 1024)}KiB`,
    max_temp_directory_size: `${Math.ceil(request.spillBytesMax / 1024)}KiB`,
    temp_directory: `${request.folder}/spill`,
    threads: String(request.threads),
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    allow_community_extensions: "false",
  });

/** Locks the instance: it can read `allowed` and nothing else. */
async function locked(
  instance: DuckDBInstance,
  { database, schema }: QueryRequest,
  allowed: string,
): Promise<Pick<Opened, "own" | "catalog">> {
  const own = await instance.connect();
  await own.run(`
    SET GLOBAL TimeZone = 'UTC';
    SET GLOBAL ${allowed};
    SET GLOBAL enable_external_access = false;
    SET GLOBAL lock_configuration = true`);
  const views = await own.runAndReadAll("SELECT lower(view_name) FROM duckdb_views() WHERE internal");
  const builtinViews = new Set(views.getRows().map(([name]) => String(name)));
  return { own, catalog: { database, schema, builtinViews } };
}

/** EXPLAIN and the options that may precede its query. */
const EXPLAIN = /^\s*EXPLAIN\s+(ANALYZE\s+)?(\(\s*FORMAT\s+\w+\s*\)\s*)?/i;

/**
 * The statement to run: the query after the check of its tree, or EXPLAIN with a query that was checked
 * without the EXPLAIN prefix.
 * @throws QUERY_NOT_READ_ONLY, QUERY_FAILED
 */
async function checked(sql: string, database: Opened): Promise<string> {
  const [prefix = ""] = EXPLAIN.exec(sql) ?? [];
  await checkOne(sql.slice(prefix.length), database);
  return sql;
}

/** Checks the tree of one SELECT. @throws QUERY_NOT_READ_ONLY, QUERY_FAILED */
async function checkOne(select: string, { own, catalog }: Opened): Promise<void> {
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
  if (isBeforeFirstSnapshot(thrown)) {
    const cause = "a table's first commit is newer than this query, by this host's clock";
    return { kind: "failed", code: "WAREHOUSE_UNAVAILABLE", message: `${cause}: ${message}`, exhausted };
  }
  const isFault = !exhausted && (!/^\w[\w ]* Error: /.test(message) || /^FATAL Error|been invalidated/.test(message));
  return { kind: "failed", code: isFault ? "WAREHOUSE_UNAVAILABLE" : "QUERY_FAILED", message, exhausted };
}

/**
 * Resolves when the message is sent: a slow reader slows the query instead of filling this process's memory.
 */
function reply(message: QueryReply): Promise<void> {
  return new Promise((resolve) => process.send!(message, () => resolve()));
}
