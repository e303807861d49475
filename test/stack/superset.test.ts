/** A real Superset with a real Trino. Takes minutes, so it runs only with REQUIRE_SUPERSET=1. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { cacheDir } from "../../scripts/stack/programs/install.ts";
import { ROOT } from "../../scripts/stack/paths.ts";
import { choosePorts } from "../../scripts/stack/ports.ts";
import { startProcess, stopProcesses, type ProcessRecord } from "../../scripts/stack/processes.ts";
import { platformEnvironment } from "../../scripts/stack/programs/services.ts";
import { readSettings } from "../../scripts/stack/settings.ts";
import type { StackContext } from "../../scripts/stack/context.ts";
import type { StackFile } from "../../scripts/stack/stack.ts";
import { statement } from "../../scripts/stack/statement.ts";
import { startSuperset, supersetEnvironment } from "../../scripts/stack/programs/superset.ts";
import { nameUuid } from "../../services/registrar/name-uuid.ts";
import { SupersetApi } from "../../services/registrar/superset-api.ts";
import { chromiumPath, openBrowser } from "../services/gateway/console/browser.ts";
import { until } from "../support/until.ts";

const missing = "set REQUIRE_SUPERSET=1 to install Superset (once, 0.9 GB) and test against it";
const skip = process.env.REQUIRE_SUPERSET === "1" ? false : missing;
if (skip) process.stderr.write(`SKIPPED: ${missing}\n`);

/** Generous, because the machine may be under other load. */
const REGISTERED_MS_MAX = 120_000;
/** A login lasts for 15 minutes. */
const LOGIN_MS = 300_000;
const SALES = "iceberg.lakehouse.sales";
/** Per chart, the Trino query with the expected data. With several columns the first is the label. */
const EXPECTED: Record<string, string> = {
  "Total Revenue": `SELECT CAST(sum(amount) AS double) FROM ${SALES}`,
  "Total Orders": `SELECT count(*) FROM ${SALES}`,
  "Average Order Value": `SELECT CAST(avg(amount) AS double) FROM ${SALES}`,
  "Revenue by Country": `SELECT country, CAST(sum(amount) AS double) FROM ${SALES} GROUP BY 1`,
  "Orders by Country": `SELECT country, count(*) FROM ${SALES} GROUP BY 1`,
  "Daily Revenue Trend": `SELECT CAST(ingestion_date AS varchar), CAST(sum(amount) AS double) FROM ${SALES} GROUP BY 1`,
  "Daily Orders Trend": `SELECT CAST(ingestion_date AS varchar), count(*) FROM ${SALES} GROUP BY 1`,
  "Top 10 Customers": `SELECT customer_id, CAST(sum(amount) AS double), count(*) FROM ${SALES} GROUP BY 1 ORDER BY 2 DESC LIMIT 10`,
};

interface Chart {
  id: number;
  uuid: string;
  slice_name: string;
}

describe("Superset", { skip, timeout: 1_800_000 }, () => {
  let data: string;
  let file: StackFile;
  const mine: ProcessRecord[] = [];

  const stack = (...args: string[]) =>
    promisify(execFile)(process.execPath, ["--import", "tsx", "scripts/stack/main.ts", ...args, "--data", data], {
      cwd: ROOT,
    });
  let session: { api: Promise<SupersetApi>; sinceMs: number } | undefined;
  const login = (): Promise<SupersetApi> => {
    if (!session || performance.now() - session.sinceMs > LOGIN_MS) {
      const never = new AbortController().signal;
      session = { api: SupersetApi.login(file.superset!, never), sinceMs: performance.now() };
    }
    return session.api;
  };
  const all = async <T>(resource: string, orderBy: string, ...columns: string[]): Promise<T[]> =>
    (await login()).list<T>(resource, { filters: [], columns, orderBy });
  const datasets = async (): Promise<string[]> =>
    (await all<{ table_name: string }>("dataset", "table_name", "table_name")).map((row) => row.table_name);
  const charts = () => all<Chart>("chart", "slice_name", "id", "uuid", "slice_name");
  /** The stack's process with this name. */
  const recordOf = async (name: string): Promise<ProcessRecord> =>
    (JSON.parse(await readFile(join(data, "processes.json"), "utf8")) as ProcessRecord[]).find(
      (one) => one.name === name,
    )!;

  /** Uploads a file, waits until its rows can be queried and returns the duration in ms. */
  async function upload(table: string, name: string, body: Buffer | string): Promise<number> {
    const startMs = performance.now();
    const url = `${file.gateway!}/v1/tables/${table}/files/${name}?wait=committed&timeout=5m`;
    const response = await fetch(url, { method: "PUT", body: Buffer.from(body) });
    const answer = (await response.json()) as { status: string };
    assert.equal(answer.status, "committed", JSON.stringify(answer));
    return Math.round(performance.now() - startMs);
  }

  /** Waits until the table is a dataset, and reports the duration. */
  async function registered(t: TestContext, table: string): Promise<void> {
    const startMs = performance.now();
    await until(`the dataset ${table}`, async () => (await datasets()).includes(table), REGISTERED_MS_MAX);
    t.diagnostic(`${table} is a dataset ${Math.round(performance.now() - startMs)} ms after its commit was announced`);
  }

  /** Waits until the registrar has no pending work. */
  async function idle(): Promise<void> {
    const metrics = async (): Promise<string> => (await fetch(`${file.services.registrar!}/metrics`)).text();
    await until(
      "nothing left",
      async () => /^tributary_registrar_pending 0$/m.test(await metrics()),
      REGISTERED_MS_MAX,
    );
  }

  before(async () => {
    data = await mkdtemp(join(tmpdir(), "tributary-superset-test-"));
    await stack("--detach", "--superset", "--trino-memory", "1G");
    file = JSON.parse(readFileSync(join(data, "stack.json"), "utf8")) as StackFile;
  });
  after(async () => {
    await stopProcesses(mine, 15_000);
    await stack("--stop");
    await rm(data, { recursive: true, force: true });
  });

  test("the first sales file creates the connection, datasets, eight charts and their dashboard", async (t) => {
    await upload("sales", "sales_sample.csv", await readFile(join(ROOT, "data", "sales_sample.csv")));
    await registered(t, "sales");
    await until("eight charts", async () => (await charts()).length === 8, REGISTERED_MS_MAX);
    const databases = await all<{ database_name: string }>("database", "database_name", "database_name");
    assert.deepEqual(
      databases.map((row) => row.database_name),
      ["Trino Lakehouse"],
    );
    assert.deepEqual(
      (await charts()).map((chart) => chart.slice_name),
      Object.keys(EXPECTED).sort(),
    );
    const dashboard = async (part = "") =>
      (await login()).find<{ result: { dashboard_title: string } & { slice_name: string }[] }>(
        `dashboard/${nameUuid("dashboard", "sales-lakehouse")}${part}`,
      );
    await until("the layout", async () => (await dashboard("/charts"))?.result.length === 8, REGISTERED_MS_MAX);
    assert.equal((await dashboard())!.result.dashboard_title, "Sales Lakehouse Dashboard");
  });

  test("internal tables are datasets too, under their names in Trino", async (t) => {
    for (const name of ["tributary_ingest_files", "tributary_rejected_rows"]) await registered(t, name);
  });

  for (const [name, sql] of Object.entries(EXPECTED)) {
    test(`${name} shows the data of Trino`, async () => {
      const chart = (await charts()).find((one) => one.slice_name === name)!;
      const { result } = await (
        await login()
      ).get<{ result: { data: Record<string, unknown>[] }[] }>(`chart/${chart.id}/data/`);
      const shown = result[0]!.data.map(({ ingestion_date: day, ...row }) =>
        day === undefined
          ? Object.values(row)
          : [new Date(Number(day)).toISOString().slice(0, 10), ...Object.values(row)],
      );
      const wanted = await statement(file.trino!, sql);
      assert.ok(wanted.length > 0);
      const inOrder = (rows: unknown[][]): string[] => rows.map((row) => row.map(inCents).join(" ")).sort();
      assert.deepEqual(inOrder(shown), inOrder(wanted));
    });
  }

  test("the dashboard in a browser shows its numbers and no error", async (t) => {
    const executable = chromiumPath();
    assert.ok(executable, "no Chromium found (set TRIBUTARY_TEST_CHROMIUM)");
    const browser = await openBrowser(executable);
    try {
      const page = await (await browser.newContext({ viewport: { width: 1280, height: 1540 } })).newPage();
      page.setDefaultTimeout(120_000);
      const { url, user, password } = file.superset!;
      await page.goto(`${url}/login/`);
      await page.locator("input[name=username], #username").first().fill(user);
      await page.locator("input[name=password], #password").first().fill(password);
      await page.locator("[data-test=login-button], button[type=submit], input[type=submit]").first().click();
      await page.waitForURL(/welcome/);
      await page.goto(`${url}/superset/dashboard/sales-lakehouse/`);
      const holders = page.locator(".dashboard-component-chart-holder");
      await holders.nth(7).waitFor();
      await page.getByText("CUST-124").waitFor();
      await until("all charts", async () => !/Waiting on/.test((await holders.allInnerTexts()).join(" ")), 120_000);
      await page.locator(".loading").first().waitFor({ state: "detached" });
      const seen = (await holders.allInnerTexts()).map((text) => text.replaceAll(/\s+/g, " "));
      const [[revenue]] = (await statement(file.trino!, EXPECTED["Total Revenue"]!)) as [[number]];
      assert.equal(seen[0], `Total Revenue ${revenue.toLocaleString("en-US")}`);
      assert.equal(seen[1], "Total Orders 200");
      assert.equal(await holders.locator("canvas").count(), 4, "bar, pie and two lines are drawn");
      assert.equal(await holders.locator("[role=alert], .ant-alert-error").count(), 0, seen.join("\n"));
      const picture = process.env.TRIBUTARY_TEST_SCREENSHOT;
      if (picture) {
        // Wait for the charts' animation. The screenshot is for readers; no assertion uses it.
        await page.waitForTimeout(3_000);
        await page.screenshot({ path: picture });
        t.diagnostic(`screenshot: ${picture}`);
      }
    } finally {
      await browser.close();
    }
  });

  test("a new table becomes a dataset, and its new columns are added to the dataset", async (t) => {
    await upload("things", "1.csv", "id,name\n1,one\n");
    await registered(t, "things");
    await upload("things", "2.csv", "id,name,colour\n2,two,blue\n");
    const columns = async (): Promise<string[]> => {
      const rows = await all<{ id: number; table_name: string }>("dataset", "table_name", "id", "table_name");
      const { id } = rows.find((row) => row.table_name === "things")!;
      const { result } = await (await login()).get<{ result: { columns: { column_name: string }[] } }>(`dataset/${id}`);
      return result.columns.map((column) => column.column_name);
    };
    await until("the new column", async () => (await columns()).includes("colour"), REGISTERED_MS_MAX);
  });

  test("provisioning is idempotent: same ids, no duplicates, no writes", async () => {
    const state = async () => ({
      databases: await all("database", "database_name", "id", "uuid", "database_name", "changed_on"),
      datasets: await all("dataset", "table_name", "id", "uuid", "table_name", "changed_on_utc", "extra"),
      charts: await all("chart", "slice_name", "id", "uuid", "slice_name", "changed_on_utc", "params"),
      dashboards: await all(
        "dashboard",
        "dashboard_title",
        "id",
        "uuid",
        "dashboard_title",
        "changed_on_utc",
        "position_json",
      ),
    });
    await idle();
    const earlier = await state();
    await stopProcesses([await recordOf("registrar")], 15_000);
    const settings = (await readSettings(data))!;
    const { port } = await choosePorts(["port"], {});
    const log = join(data, "logs", "registrar-again.log");
    const again = startProcess({
      name: "registrar-again",
      command: process.execPath,
      args: ["--import", "tsx", join(ROOT, "services", "registrar", "main.ts")],
      env: {
        ...process.env,
        ...platformEnvironment(settings),
        ...supersetEnvironment(settings),
        TRIBUTARY_REGISTRAR_PORT: String(port),
      },
      cwd: ROOT,
      log,
    });
    mine.push(again.record);
    await until(
      "the registrar's round",
      async () => /dashboard complete/.test(await readFile(log, "utf8")),
      REGISTERED_MS_MAX,
    );
    assert.deepEqual(await state(), earlier);
  });

  test("files are committed while Superset is stopped; it receives their tables after its restart", async (t) => {
    const withSupersetMs = await upload("early", "1.csv", "id\n1\n");
    await stopProcesses([await recordOf("superset")], 15_000);
    const withoutMs = await upload("late", "1.csv", "id\n1\n");
    await upload("later", "1.csv", "id\n1\n");
    t.diagnostic(`a first file took ${withSupersetMs} ms with Superset, ${withoutMs} ms without`);
    const settings = (await readSettings(data))!;
    const context: StackContext = {
      data,
      cache: cacheDir(process.env),
      java: "",
      trinoMemory: "",
      settings,
      env: process.env,
      signal: AbortSignal.timeout(600_000),
      say: () => undefined,
      log: (name) => join(data, "logs", `${name}.log`),
      started: (started) => {
        mine.push(started.record);
        return started;
      },
    };
    await startSuperset(context);
    for (const table of ["early", "late", "later"]) await registered(t, table);
    const names = await datasets();
    assert.equal(new Set(names).size, names.length);
  });
});

/** Normalises values: Superset's JSON has numbers, Trino's has text or another scale. */
const inCents = (value: unknown): string => (typeof value === "number" ? value.toFixed(2) : String(value));
