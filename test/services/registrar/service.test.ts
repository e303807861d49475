import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { commitEvents, tableSchemas } from "../../../lib/messages/avro.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { silentLogger } from "../../../lib/process/logger.ts";
import { Registry } from "../../../lib/process/metrics.ts";
import type { Service } from "../../../lib/process/service.ts";
import { nameUuid } from "../../../services/registrar/name-uuid.ts";
import { SALES_DASHBOARD } from "../../../services/registrar/sales-dashboard.ts";
import { startRegistrar } from "../../../services/registrar/service.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { FakeEventLog } from "../../support/fake-event-log.ts";
import { until } from "../../support/until.ts";
import { ACCESS, FakeSuperset } from "./fake-superset.ts";

const HOUR = 3_600_000;
const SALES = ["order_id", "customer_id", "amount", "country", "ingestion_date"];
const OWN = new Map([["tributary_ingest_files", [{ name: "file_id", type: "VARCHAR" }]]]);
const CHARTS = SALES_DASHBOARD.rows.flat();

let superset: FakeSuperset;
let log: FakeEventLog;
let clock: FakeClock;
let running: Service[];

beforeEach(async () => {
  superset = await FakeSuperset.start();
  log = new FakeEventLog();
  await log.createTopics(Object.values(TOPICS));
  clock = new FakeClock();
  running = [];
});
afterEach(async () => {
  await Promise.all(running.map((service) => service.drain()));
  await superset.close();
});

interface Registrar {
  /** Advances time until a round has read Superset's state, nothing is pending, and the condition holds. */
  done(condition?: () => boolean): Promise<void>;
  metric(name: string): Promise<number>;
  drain(): Promise<void>;
}

/** Advances time until the condition holds. */
const passing = (what: string, condition: () => boolean | Promise<boolean>): Promise<unknown> =>
  until(
    what,
    async () => {
      clock.advance(1_000);
      return condition();
    },
    60_000,
  );

async function begin(): Promise<Registrar> {
  const registry = new Registry();
  const service = await startRegistrar({
    log,
    ownTables: OWN,
    clock,
    logger: silentLogger(),
    registry,
    settings: {
      superset: { url: superset.url, ...ACCESS },
      trinoUrl: "trino://superset@trino:8080/iceberg/lakehouse",
      schema: "lakehouse",
      resyncMs: 600_000,
      tickMs: 1_000,
      backoffMsMin: 1_000,
      backoffMsMax: 60_000,
    },
  });
  running.push(service);
  const metric = async (name: string): Promise<number> => {
    const line = (await registry.metrics()).split("\n").find((each) => each.startsWith(`${name} `));
    return line === undefined ? 0 : Number(line.split(" ").at(-1));
  };
  const begun = superset.requests.length;
  return {
    metric,
    async done(condition = () => true) {
      await passing("nothing pending", async () => {
        const looked = superset.requests.slice(begun).includes("GET dataset/");
        return looked && condition() && (await metric("tributary_registrar_pending")) === 0;
      });
    },
    drain: () => service.drain(),
  };
}

/** Publishes the schema of a parsed file; the `columns` are the table's columns after it. */
async function parsed(table: string, sourceOffset: number, columns: string[]): Promise<void> {
  const typed = columns.map((name) => ({ name, type: "VARCHAR", header: name }));
  const value = tableSchemas.encode({ table, sourceOffset, columns: typed, dialectJson: "{}" });
  await log.publish(TOPICS.tableSchemas.name, [{ key: table, value }]);
}

/** Publishes a commit, after which Trino has the table with these columns. */
async function committed(table: string, sourceOffset: number, columns: string[]): Promise<void> {
  superset.trino.set(table, columns);
  const file = {
    ...{ fileId: "f", sourceFile: "f.csv", sourceOffset, status: "committed" as const },
    ...{ rowsRead: 1, rowsCommitted: 1, rowsRejected: 0, sizeBytes: 1, contentHash: "", etag: null },
    ...{ receivedAtMs: 0, parsedAtMs: 0, parseMs: 0, delimiter: ",", encoding: "utf-8", rowsOffset: 0 },
    ...{ errorCode: null, errorMessage: null },
  };
  const value = commitEvents.encode({
    ...{ commitId: `${table}-${sourceOffset}`, table, snapshotId: null, committedAtMs: 0, commitMs: 1, limit: "idle" },
    ...{ strategy: "fake", rowsInserted: 1, rowsUpdated: 0, rowsDeleted: 0, files: [file], tableFiles: null },
  });
  await log.publish(TOPICS.commits.name, [{ key: table, value }]);
}

async function arrives(table: string, sourceOffset: number, columns = ["a"]): Promise<void> {
  await parsed(table, sourceOffset, columns);
  await committed(table, sourceOffset, columns);
}

const namesOf = (): string[] => superset.rows.dataset.map((row) => String(row["table_name"])).sort();
const salesDashboard = () =>
  superset.rows.dashboard.find(({ uuid }) => uuid === nameUuid("dashboard", "sales-lakehouse"));
const chartIds = (): number[] =>
  Object.values(
    JSON.parse(String(salesDashboard()!["position_json"])) as Record<string, { meta?: { chartId?: number } }>,
  )
    .flatMap(({ meta }) => meta?.chartId ?? [])
    .sort((a, b) => a - b);

test("a new table gets a dataset after its commit, internal tables once Trino has them, each once", async () => {
  const registrar = await begin();
  await parsed("t", 0, ["a"]);
  await registrar.done();
  assert.deepEqual(namesOf(), []);
  assert.deepEqual(
    superset.rows.database.map((row) => row["sqlalchemy_uri"]),
    ["trino://superset@trino:8080/iceberg/lakehouse"],
  );
  superset.trino.set("tributary_ingest_files", ["file_id"]);
  superset.trino.set("tables_of_others", ["x"]);
  await committed("t", 0, ["a"]);
  await registrar.done(() => superset.rows.dataset.length === 2);
  assert.deepEqual(namesOf(), ["t", "tributary_ingest_files"]);
  const writes = superset.writes.length;
  for (let n = 1; n < 4; n++) await committed("t", n, ["a"]);
  const looks = (): number => superset.requests.filter((line) => line === "GET dataset/").length;
  const before = looks();
  clock.advance(600_000);
  await registrar.done(() => looks() > before);
  assert.equal(superset.writes.length, writes);
  assert.equal(await registrar.metric('tributary_registrar_datasets_total{outcome="registered"}'), 2);
});

test("the sample dashboard is created once its table exists, with a layout of eight charts", async () => {
  const registrar = await begin();
  await arrives("sales", 0, SALES);
  await registrar.done(() => superset.rows.dashboard.length === 1);
  assert.equal(CHARTS.length, 8);
  assert.deepEqual(
    superset.rows.chart.map((row) => row["slice_name"]),
    CHARTS.map(({ name }) => name),
  );
  assert.deepEqual(
    chartIds(),
    superset.rows.chart.map(({ id }) => id),
  );
  assert.equal(salesDashboard()!["dashboard_title"], "Sales Lakehouse Dashboard");
  for (const row of superset.rows.chart) assert.equal(row["datasource_id"], superset.dataset("sales")!.id);
});

test("a table named sales with other columns gets no dashboard", async () => {
  const registrar = await begin();
  await arrives("sales", 0, ["region", "total"]);
  await registrar.done(() => superset.rows.dataset.length === 1);
  assert.deepEqual([superset.rows.chart, superset.rows.dashboard], [[], []]);
});

test("a restart changes nothing and keeps people's edits", async () => {
  const first = await begin();
  await arrives("sales", 0, SALES);
  await first.done(() => superset.rows.dashboard.length === 1);
  await first.drain();
  superset.rows.chart[0]!["params"] = "changed by hand";
  superset.rows.chart[1]!["slice_name"] = "renamed";
  salesDashboard()!["dashboard_title"] = "My title";
  superset.dataset("sales")!["columns"] = SALES.slice(0, -1).concat("ingestion_date", "mine");
  const before = structuredClone(superset.rows);
  const writes = superset.writes.length;
  await (await begin()).done();
  assert.equal(superset.writes.length, writes);
  assert.deepEqual(superset.rows, before);
});

test("the dashboard has filters by date and country, and every chart takes the one by date", async () => {
  const started = await begin();
  await arrives("sales", 0, SALES);
  await started.done(() => superset.rows.dashboard.length === 1);
  const { native_filter_configuration: filters } = JSON.parse(String(salesDashboard()!["json_metadata"])) as {
    native_filter_configuration: { name: string; filterType: string; targets: object[] }[];
  };
  const datasetId = superset.dataset("sales")!.id;
  assert.deepEqual(
    filters.map(({ name, filterType, targets }) => [name, filterType, targets]),
    [
      ["Date", "filter_time", [{}]],
      ["Country", "filter_select", [{ datasetId, column: { name: "country" } }]],
    ],
  );
  for (const chart of superset.rows.chart) {
    const { adhoc_filters: taken } = JSON.parse(String(chart["params"])) as { adhoc_filters: { operator: string }[] };
    assert.equal(taken[0]!.operator, "TEMPORAL_RANGE", String(chart["slice_name"]));
  }
});

test("deleted charts and dashboards come back at the next start in their old place, with people's edits", async () => {
  const first = await begin();
  await arrives("sales", 0, SALES);
  await first.done(() => superset.rows.dashboard.length === 1);
  await first.drain();
  const [gone] = superset.rows.chart.splice(2, 1);
  const layout = JSON.parse(String(salesDashboard()!["position_json"])) as Record<string, unknown>;
  salesDashboard()!["position_json"] = JSON.stringify({
    ...layout,
    MINE: { id: "MINE", type: "MARKDOWN", children: [] },
  });
  salesDashboard()!["json_metadata"] = JSON.stringify({ color_scheme: "mine" });
  await (await begin()).done();
  const made = superset.rows.chart.find(({ uuid }) => uuid === gone!.uuid)!;
  assert.notEqual(made.id, gone!.id);
  assert.deepEqual(
    chartIds(),
    superset.rows.chart.map(({ id }) => id).sort((a, b) => a - b),
  );
  assert.match(String(salesDashboard()!["position_json"]), /MINE/);
  assert.equal(salesDashboard()!["json_metadata"], JSON.stringify({ color_scheme: "mine" }));
});

test("new columns: one refresh, after the commit that adds them; other entries in extra stay", async () => {
  const registrar = await begin();
  await arrives("t", 0, ["a"]);
  await registrar.done(() => superset.rows.dataset.length === 1);
  const { id } = superset.dataset("t")!;
  superset.dataset("t")!["extra"] = JSON.stringify({
    ...(JSON.parse(String(superset.dataset("t")!["extra"])) as object),
    certification: { certified_by: "somebody" },
  });
  const refreshes = (): number => superset.requests.filter((line) => line === `PUT dataset/${id}/refresh`).length;
  await parsed("t", 5, ["a", "b"]);
  await committed("t", 4, ["a"]);
  clock.advance(600_000);
  await arrives("u", 1);
  await registrar.done(() => superset.rows.dataset.length === 2);
  assert.equal(refreshes(), 0);
  await committed("t", 5, ["a", "b"]);
  await registrar.done(() => refreshes() === 1 && superset.columnsOf("t").length === 2);
  await committed("t", 6, ["a", "b"]);
  await registrar.drain();
  await (await begin()).done();
  assert.equal(refreshes(), 1);
  assert.match(String(superset.dataset("t")!["extra"]), /somebody/);
});

test("Superset unavailable for an hour: a bounded number of attempts, then all pending tables", async () => {
  superset.away = true;
  const registrar = await begin();
  for (let n = 0; n < 5; n++) await arrives(`t${n}`, n);
  const untilMs = clock.nowMs() + HOUR;
  await passing("an hour", () => (clock.advance(9_000), clock.nowMs() > untilMs));
  assert.ok(superset.requests.length >= 20, `${superset.requests.length} attempts`);
  assert.ok(superset.requests.length < 75, `${superset.requests.length} attempts`);
  assert.equal(await registrar.metric("tributary_registrar_pending"), 6);
  assert.ok(
    (await registrar.metric('tributary_errors_total{component="registrar",code="SUPERSET_UNAVAILABLE"}')) >= 20,
  );
  superset.away = false;
  await registrar.done(() => superset.rows.dataset.length === 5);
  assert.deepEqual(namesOf(), ["t0", "t1", "t2", "t3", "t4"]);
});

test("tables committed long before a registrar starts are registered", async () => {
  for (let n = 0; n < 105; n++) await arrives(`t${n}`, n);
  const registrar = await begin();
  await registrar.done();
  assert.equal(superset.rows.dataset.length, 105);
  await registrar.drain();
  const writes = superset.writes.length;
  await (await begin()).done();
  assert.equal(superset.writes.length, writes, "all pages of the list are read");
});

test("a table that Superset refuses does not block others, and is registered later", async () => {
  superset.before = ({ method, body }) => {
    if (method === "POST" && body["table_name"] === "bad") throw FakeSuperset.refusal(422);
  };
  const registrar = await begin();
  await arrives("bad", 0);
  const attempts = (): number => superset.requests.filter((line) => line === "POST dataset/").length;
  await passing("some attempts", () => attempts() >= 4);
  await arrives("good", 1);
  await passing("the other table", () => namesOf().includes("good"));
  await passing("one left", async () => (await registrar.metric("tributary_registrar_pending")) === 1);
  assert.ok((await registrar.metric('tributary_registrar_datasets_total{outcome="failed"}')) >= 4);
  superset.before = () => undefined;
  await registrar.done(() => superset.rows.dataset.length === 2);
});

test("an unexpected response affects only its own table", async () => {
  const first = await begin();
  await arrives("sales", 0, SALES);
  await first.done(() => superset.rows.dashboard.length === 1);
  await first.drain();
  const whole = salesDashboard()!["position_json"];
  salesDashboard()!["position_json"] = "no JSON";
  const second = await begin();
  await arrives("t", 1);
  await passing("the table", () => namesOf().includes("t"));
  await passing("one left", async () => (await second.metric("tributary_registrar_pending")) === 1);
  salesDashboard()!["position_json"] = whole;
  await second.done();
});

test("two concurrent registrars create nothing twice", async () => {
  const both = await Promise.all([begin(), begin()]);
  for (let n = 0; n < 10; n++) await arrives(`t${n}`, n);
  await arrives("sales", 10, SALES);
  await Promise.all(both.map((registrar) => registrar.done(() => superset.rows.dashboard.length === 1)));
  assert.equal(superset.rows.database.length, 1);
  assert.equal(superset.rows.dataset.length, 11);
  assert.equal(superset.rows.chart.length, 8);
  assert.equal(new Set(chartIds()).size, 8);
});

for (const moment of ["before", "after"] as const) {
  test(`a registrar that dies ${moment} any of its writes takes effect leaves nothing incomplete`, async () => {
    let writes = 0;
    superset[moment] = ({ method }) => {
      if (method !== "GET") writes++;
    };
    await arrives("sales", 0, SALES);
    const whole = await begin();
    await whole.done(() => superset.rows.dashboard.length === 1);
    await whole.drain();
    const complete = structuredClone(superset.rows);
    for (let last = 0; last < writes; last++) {
      for (const rows of Object.values(superset.rows)) rows.length = 0;
      let left = last;
      superset[moment] = ({ method }) => {
        if (method !== "GET" && left-- <= 0) throw FakeSuperset.refusal(503);
      };
      const doomed = await begin();
      await passing("its end", () => left < 0);
      await doomed.drain();
      superset[moment] = () => undefined;
      const next = await begin();
      await next.done(() => superset.rows.dashboard.length === 1);
      await next.drain();
      for (const kind of ["database", "dataset", "chart", "dashboard"] as const) {
        assert.equal(superset.rows[kind].length, complete[kind].length, `${kind}, write ${last}`);
      }
      assert.equal(chartIds().length, 8, `the layout, write ${last}`);
      assert.equal(superset.dataset("sales")!["extra"], complete.dataset[0]!["extra"], `extra, write ${last}`);
    }
  });
}

test("a login that expires during a round is renewed", async () => {
  let datasets = 0;
  superset.before = ({ method, path }) => {
    if (method === "POST" && path === "dataset/" && ++datasets === 3)
      throw FakeSuperset.refusal(401, "Token has expired");
  };
  for (let n = 0; n < 5; n++) await arrives(`t${n}`, n);
  await (await begin()).done(() => superset.rows.dataset.length === 5);
});

test("a wrong password is retried with pauses until it is correct", async () => {
  superset.password = "another";
  const registrar = await begin();
  await arrives("t", 0);
  await passing("some attempts", () => superset.requests.length > 5);
  assert.ok(superset.requests.every((line) => line === "POST security/login"));
  superset.password = ACCESS.password;
  await registrar.done(() => superset.rows.dataset.length === 1);
});

test("a connection with another URL is corrected once", async () => {
  const database = { database_name: "Trino Lakehouse", sqlalchemy_uri: "trino://superset@old:8080/iceberg/lakehouse" };
  superset.rows.database.push({ id: 77, uuid: "made-by-hand", ...database });
  const registrar = await begin();
  await arrives("t", 0);
  await registrar.done(() => superset.rows.dataset.length === 1);
  assert.equal(superset.rows.database[0]!["sqlalchemy_uri"], "trino://superset@trino:8080/iceberg/lakehouse");
  assert.equal(superset.requests.filter((line) => line === "PUT database/77").length, 1);
});

test("draining aborts a hanging request", async () => {
  let hanging = false;
  superset.before = () => {
    hanging = true;
    return new Promise(() => undefined);
  };
  const registrar = await begin();
  await passing("the request", () => hanging);
  await registrar.drain();
  assert.equal(await registrar.metric('tributary_errors_total{component="registrar",code="SUPERSET_UNAVAILABLE"}'), 0);
});
