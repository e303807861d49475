/**
 * DuckDB's Iceberg extension through the gate against the real catalog that the environment names, with a proxy
 * between gate and catalog that loses requests and answers.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { systemClock } from "../../../../../lib/clock.ts";
import type { GateEvent } from "../../../../../lib/warehouse/gate-events.ts";
import { openRestCatalog, type RestCatalog } from "../../../../../lib/warehouse/iceberg/catalog/rest-catalog.ts";
import { openGate, type OpenGate } from "../../../../../lib/warehouse/iceberg/gate/open-gate.ts";
import { watermarkOf } from "../../../../support/gate-watermark.ts";
import { tableKey } from "../../../../../lib/warehouse/iceberg/gate/request.ts";
import { readTable, type TableState } from "../../../../../lib/warehouse/iceberg/gate/table-state.ts";
import { throughCatalog } from "../../../../../lib/warehouse/iceberg/gate/through-catalog.ts";
import { CommitError } from "../../../../../lib/warehouse/iceberg/gate/transactions.ts";
import { ATTACH_OPTIONS, writerSettings } from "../../../../../lib/warehouse/iceberg/gate/writer-settings.ts";
import {
  attachOptions,
  icebergMissing,
  openIcebergDuckdb,
  type IcebergDuckdb,
} from "../../../../support/iceberg-duckdb.ts";
import { lossyProxy, type Loss } from "../../../../support/lossy-proxy.ts";
import { restCatalogGiven } from "../../../../support/rest-catalog/given.ts";

const NAME = "gate with DuckDB's writer and a real catalog";
const ATTEMPT_MS = 2_000;
const DEADLINE_MS = 8_000;

const missing = icebergMissing();
const given = missing === undefined ? restCatalogGiven(NAME) : undefined;
if (missing !== undefined) test(NAME, { skip: missing }, () => undefined);
if (given) realWriter(given.oauth2);

function realWriter(options: Parameters<typeof openRestCatalog>[0]): void {
  const schema = `gate_${randomBytes(4).toString("hex")}`;
  const losses: (Loss | undefined)[] = [];
  const events: GateEvent[] = [];
  let proxy: Awaited<ReturnType<typeof lossyProxy>>;
  let catalog: RestCatalog;
  let gate: OpenGate;
  /** Through the gate, with its own clean-up; and past gate and proxy. */
  let writer: IcebergDuckdb;
  let direct: IcebergDuckdb;
  let batch = 0;

  const credential = options.login?.kind === "oauth2" ? options.login.credential : "";
  const own = (uri: string): string =>
    attachOptions({ uri, credential, oauth2ServerUri: `${options.uri}/v1/oauth/tokens` });
  const isCommit = (method: string, path: string): boolean =>
    method === "POST" && /\/(transactions\/commit|tables\/[^/]+)$/.test(path);

  before(async () => {
    proxy = await lossyProxy(options.uri, (method, path) => (isCommit(method, path) ? losses.shift() : undefined));
    catalog = await openRestCatalog({ ...options, uri: proxy.url });
    gate = await openGate({
      send: throughCatalog(catalog, proxy.url),
      clock: systemClock,
      attemptMs: ATTEMPT_MS,
      deadlineMs: DEADLINE_MS,
      onEvent: (event) => events.push(event),
      onAbandoned: () => assert.fail("DuckDB left before the answer"),
    });
    // Without REMOVE_FILES_ON_DELETE false: the gate alone has to keep the files.
    const through = `ENDPOINT '${gate.endpoint}', ${ATTACH_OPTIONS.replace(/, REMOVE_FILES_ON_DELETE false/, "")}`;
    writer = await openIcebergDuckdb(options.warehouse!, through);
    for (const setting of writerSettings(DEADLINE_MS)) await writer.run(setting);
    direct = await openIcebergDuckdb(options.warehouse!, own(options.uri));
    await direct.run(`CREATE SCHEMA ice.${schema}`);
  });

  after(async () => {
    for (const table of await catalog.listTables([schema])) await catalog.dropTable(table);
    await catalog.dropNamespace([schema]);
    writer.close();
    direct.close();
    await gate.close(1_000);
    await proxy.close();
    catalog.close();
  });

  const create = async (...names: string[]): Promise<void> => {
    for (const name of names) await direct.run(`CREATE TABLE ice.${schema}.${name} (id BIGINT)`);
  };

  /** Runs statements in one transaction through the gate. `{s}` is the schema. Then nothing runs. */
  async function transact(tables: readonly string[], statements: readonly string[], lossesNow: readonly Loss[] = []) {
    losses.splice(0, Infinity, ...lossesNow);
    batch++;
    const parts = tables.map((name) => ({
      table: { namespace: [schema], name },
      summary: { "tributary.batch": String(batch) },
    }));
    try {
      return await gate.transaction(parts, async () => {
        await writer.run("BEGIN");
        for (const statement of statements) await writer.run(statement.replaceAll("{s}", `ice.${schema}`));
        await writer.run("COMMIT");
      });
    } catch (error) {
      await writer.run("ROLLBACK").catch(() => undefined);
      throw error;
    } finally {
      await proxy.settled();
      losses.length = 0;
    }
  }

  /** Reads the data files, past the gate. A count alone reads only metadata. */
  const ids = async (name: string): Promise<number[]> =>
    (await direct.rows(`SELECT id FROM ice.${schema}.${name} ORDER BY id`)).map(([id]) => Number(id));

  async function stateOf(name: string): Promise<TableState> {
    const answer = await catalog.send({
      method: "GET",
      url: catalog.urlOf(["namespaces", schema, "tables", name]),
      headers: {},
      timeoutMs: 10_000,
    });
    return readTable(answer.body.toString("utf8"))!;
  }

  const LOSSES: readonly Loss[][] = [
    [],
    ["before"],
    ["after"],
    [500],
    [502],
    [503],
    [504],
    ["after", "before", 503, "after"],
    [{ lateMs: 2_500 }],
    [{ lateMs: 2_300 }, { lateMs: 2_600 }],
  ];

  test("whatever is lost, both tables have the rows once, with their watermark", async () => {
    await create("a", "b");
    const written: number[] = [];
    for (const loss of LOSSES) {
      const n = written.length + 1;
      const { kind, id } = await transact(
        ["a", "b"],
        [`INSERT INTO {s}.a VALUES (${n})`, `INSERT INTO {s}.b VALUES (${n})`],
        loss,
      );
      written.push(n);
      const what = JSON.stringify(loss);
      assert.equal(kind, "committed", what);
      for (const name of ["a", "b"]) {
        assert.deepEqual(await ids(name), written, `${name} after ${what}`);
        const state = await stateOf(name);
        const mark = watermarkOf(state, "tributary.batch");
        assert.equal(mark?.summary.get("tributary.batch"), String(batch));
        assert.equal(mark?.summary.get("tributary.transaction"), id);
        assert.equal(mark?.snapshotId, state.refs.get("main"));
        assert.equal(state.snapshots.size, written.length);
      }
    }
  });

  test("a rival's commit is a conflict, also if the answer to it is lost, and both keep their files", async () => {
    await create("raced", "beside");
    const first = await transact(["raced", "beside"], ["INSERT INTO {s}.raced VALUES (1)"]);
    assert.deepEqual(first.committed, [tableKey({ namespace: [schema], name: "raced" })]);
    // Of two tables, an attempt without an answer could still be applied to the one that has not changed.
    for (const [loss, names, code] of [
      [[], ["raced", "beside"], "WAREHOUSE_CONFLICT"],
      [["before"], ["raced"], "WAREHOUSE_CONFLICT"],
      [[503], ["raced"], "WAREHOUSE_CONFLICT"],
      [["before"], ["raced", "beside"], "WAREHOUSE_UNAVAILABLE"],
    ] as [Loss[], string[], string][]) {
      const rows = await ids("raced");
      const rival = 100 + rows.length;
      const statements = names.map((name) => `INSERT INTO {s}.${name} VALUES (2)`);
      losses.splice(0, Infinity, ...loss);
      const parts = names.map((name) => ({ table: { namespace: [schema], name }, summary: {} }));
      const error: unknown = await gate
        .transaction(parts, async () => {
          await writer.run("BEGIN");
          for (const statement of statements) await writer.run(statement.replaceAll("{s}", `ice.${schema}`));
          await direct.run(`INSERT INTO ice.${schema}.raced VALUES (${rival})`);
          await writer.run("COMMIT");
        })
        .catch((thrown: unknown) => thrown);
      await writer.run("ROLLBACK").catch(() => undefined);
      assert.ok(error instanceof CommitError, String(error));
      assert.equal(error.code, code);
      assert.deepEqual(await ids("raced"), [...rows, rival]);
      assert.deepEqual(await ids("beside"), []);
    }
  });

  test("a commit on another snapshot than the caller has read is refused before it is sent", async () => {
    await create("fenced");
    await transact(["fenced"], ["INSERT INTO {s}.fenced VALUES (1)"]);
    const read = (await stateOf("fenced")).refs.get("main");
    await direct.run(`INSERT INTO ice.${schema}.fenced VALUES (2)`);
    const parts = [{ table: { namespace: [schema], name: "fenced" }, summary: {}, base: { snapshotId: read } }];
    const work = gate.transaction(parts, () => writer.run(`INSERT INTO ice.${schema}.fenced VALUES (3)`));
    await assert.rejects(work, { code: "WAREHOUSE_CONFLICT" });
    assert.deepEqual(await ids("fenced"), [1, 2]);
  });

  test("a table made in the transaction is committed once, beside others, whatever is lost", async () => {
    await create("other");
    for (const [index, loss] of (["after", 502, "before"] as Loss[]).entries()) {
      const name = `made_${index}`;
      const statements = [
        `CREATE TABLE {s}.${name} AS SELECT 7::BIGINT AS id`,
        `INSERT INTO {s}.other VALUES (${index})`,
      ];
      const { kind } = await transact([name, "other"], statements, [loss, loss]);
      assert.equal(kind, "committed");
      assert.deepEqual(await ids(name), [7]);
      assert.equal((await ids("other")).length, index + 1);
    }
  });

  test("deletes, merges and new columns pass, and the last snapshot has the watermark", async () => {
    await create("merged");
    await transact(["merged"], ["INSERT INTO {s}.merged SELECT range FROM range(10)"]);
    await transact(
      ["merged"],
      ["DELETE FROM {s}.merged WHERE id < 3", "INSERT INTO {s}.merged VALUES (100)"],
      ["after"],
    );
    assert.deepEqual(await ids("merged"), [3, 4, 5, 6, 7, 8, 9, 100]);
    await transact(
      ["merged"],
      ["ALTER TABLE {s}.merged ADD COLUMN name VARCHAR", "INSERT INTO {s}.merged VALUES (101, 'x')"],
      [500],
    );
    const merge =
      "MERGE INTO {s}.merged t USING (SELECT 100::BIGINT AS id, 'y' AS name UNION ALL SELECT 102, 'z') s ON t.id = s.id " +
      "WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.name)";
    await transact(["merged"], [merge], ["after"]);
    assert.deepEqual(await ids("merged"), [3, 4, 5, 6, 7, 8, 9, 100, 101, 102]);
    const state = await stateOf("merged");
    const mark = watermarkOf(state, "tributary.batch");
    assert.equal(mark?.snapshotId, state.refs.get("main"));
    assert.equal(mark?.summary.get("tributary.batch"), String(batch));
  });

  test("a catalog that is away past the deadline leaves no rows, or all of them, and every table readable", async () => {
    await create("long");
    const lost = Array.from({ length: 60 }, () => "before" as const);
    const error: unknown = await transact(["long"], ["INSERT INTO {s}.long VALUES (1)"], lost).catch(
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof CommitError && error.result.kind === "unknown", String(error));
    assert.deepEqual(await ids("long"), []);
    await transact(["long"], ["INSERT INTO {s}.long VALUES (1)"]);
    assert.deepEqual(await ids("long"), [1]);
  });

  test("without the gate a lost answer makes DuckDB report a failure; it deletes the files unless it must not", async () => {
    for (const [name, option] of [
      ["deleted", ""],
      ["kept", ", REMOVE_FILES_ON_DELETE false"],
    ] as const) {
      const bare = await openIcebergDuckdb(options.warehouse!, own(proxy.url) + option);
      try {
        await create(name);
        losses.splice(0, Infinity, "after");
        await assert.rejects(bare.run(`INSERT INTO ice.${schema}.${name} VALUES (1)`), /409|Conflict/);
        if (name === "kept") assert.deepEqual(await ids(name), [1]);
        else await assert.rejects(ids(name), /404|Not Found|HTTP/);
      } finally {
        losses.length = 0;
        bare.close();
      }
    }
  });
}
