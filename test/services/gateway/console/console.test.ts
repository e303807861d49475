/**
 * The console in a real browser against the whole pipeline. Skipped with a message if there is no Chromium.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { chromiumPath, openBrowser } from "./browser.ts";
import { profiles, type Profile, type Target } from "./profiles.ts";

const SAMPLE = fileURLToPath(new URL("../../../../data/sales_sample.csv", import.meta.url));
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const HOSTILE = "<script>window.broken = 1</script>";
const HOSTILE_IMAGE = "<img src=x onerror='window.broken = 2'>";
/** Two rows that are rejected: their text passes through the preview, the rejects and the raw column. */
const ROUGH = [
  "order_id,customer_id,amount,country,ingestion_date",
  "ORD-9001,CUST-1,12.50,Atlantis,2024-02-15",
  `ORD-9002,CUST-2,${HOSTILE_IMAGE},Italy,2024-02-15`,
  "ORD-9003,CUST-3",
  "",
].join("\n");

const chromium = chromiumPath();
const missing = chromium ? false : "no Chromium found (set TRIBUTARY_TEST_CHROMIUM): the console is not tested";
for (const profile of profiles(process.env, missing)) {
  describe(`console, ${profile.name}`, { skip: profile.skip }, () => consoleSuite(profile));
}

function consoleSuite(profile: Profile): void {
  let folder: string;
  let target: Target;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  /** Table name unique to this run: a stack may hold tables of earlier runs. */
  const own = (table: string): string => `${table}_${run}`;
  const run = Date.now().toString(36);
  /** Errors of the page: exceptions of scripts, resources blocked by the content security policy. */
  const pageErrors: string[] = [];
  const write = (name: string, content: string): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  const listen = (opened: Page): Page => {
    opened.on("pageerror", (error) => pageErrors.push(error.message));
    opened.on("console", (message) => {
      // The browser logs HTTP errors itself; each test that causes one asserts how the page shows it.
      const expected = /status of 40[0134]|ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING/;
      if (message.type() === "error" && !expected.test(message.text())) pageErrors.push(message.text());
    });
    return opened;
  };
  const open = async (hash = ""): Promise<void> => {
    await page.goto(`${target.url}/${hash}`);
    await page.locator("#live.on").waitFor();
  };
  const choose = async (path: string, table?: string): Promise<void> => {
    await page.locator("#picker").setInputFiles(path);
    await page.getByRole("heading", { name: /^Preview of/ }).waitFor();
    if (table === undefined) return;
    await page.getByLabel("Target table").fill(table);
    await page.getByLabel("Target table").press("Enter");
  };
  const upload = async (path: string, table?: string): Promise<void> => {
    await choose(path, table);
    await page.getByRole("button", { name: /^Upload .*csv$/ }).click();
    await page.locator("#queue .pill", { hasText: "committed" }).waitFor();
  };
  const send = async (table: string, name: string, body: string): Promise<string> => {
    const headers = target.key ? { authorization: `Bearer ${target.key}` } : {};
    const path = `${target.url}/v1/tables/${table}/files/${name}`;
    const answer = await fetch(path, { method: "PUT", body, headers });
    return ((await answer.json()) as { fileId: string }).fileId;
  };
  /** The card that holds a table. */
  const card = (name: string) => page.getByRole("group", { name, exact: true });
  const region = (name: string) => page.getByRole("region", { name, exact: true });
  const rejects = () => card("Rejected rows");

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "tributary-console-"));
    browser = await openBrowser(chromium!);
    target = await profile.start(folder);
    context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    context.setDefaultTimeout(profile.waitMs);
    page = listen(await context.newPage());
  });
  after(async () => {
    await browser?.close();
    await target?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("asks for an API key, reports a wrong key, and connects with the right key", async (t) => {
    if (!target.key) return t.skip("this gateway requires no key");
    await page.goto(target.url);
    await page.getByLabel("API key").fill("wrong");
    await page.getByRole("button", { name: "Use this key" }).click();
    await page.getByText("unknown API key").waitFor();
    await page.getByLabel("API key").fill(target.key);
    await page.keyboard.press("Enter");
    await page.locator("#live.on").waitFor();
    await page.locator("#key-form").waitFor({ state: "hidden" });
    assert.equal(await page.evaluate("localStorage.length"), 0, "the key is kept in this tab only");
    assert.doesNotMatch(page.url(), /secret/);
  });

  test("a key entered during the refusal of the previous key connects, and the form stays closed", async (t) => {
    if (!target.key) return t.skip("this gateway requires no key");
    const ownContext = await browser.newContext();
    ownContext.setDefaultTimeout(profile.waitMs);
    const late = listen(await ownContext.newPage());
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const heldOf = (path: string) =>
      new Promise<void>((resolve) => {
        void late.route(path, async (route) => {
          if (route.request().headers()["authorization"] === "Bearer wrong") {
            resolve();
            await released;
          }
          await route.continue();
        });
      });
    const held = [heldOf("**/v1/events"), heldOf("**/v1/tables")];
    await late.goto(target.url);
    await late.getByLabel("API key").fill("wrong");
    await late.getByRole("button", { name: "Use this key" }).click();
    await Promise.all(held);
    await late.getByText("unknown API key").waitFor();
    await late.getByLabel("API key").fill(target.key);
    await late.keyboard.press("Enter");
    const refused = late.waitForResponse((answer) => answer.url().endsWith("/v1/tables") && answer.status() === 401);
    release();
    await refused;
    await late.locator("#live.on").waitFor();
    await late.locator("#key-form").waitFor({ state: "hidden" });
    await ownContext.close();
  });

  test("an empty gateway shows the first steps", async (t) => {
    if (profile.name !== "embedded") return t.skip("a stack may hold files");
    await open();
    await page.getByRole("heading", { name: "No files yet" }).waitFor();
    await open("#tables");
    await card("Tables")
      .getByRole("row", { name: /sales declared no files yet/ })
      .waitFor();
    await open("#files");
    await page.getByText("No files yet. Upload one").waitFor();
  });

  test("preview, upload, and the commit shows without a reload", async () => {
    await open();
    await page.locator("#table-list option[value=sales]").waitFor({ state: "attached" });
    await choose(SAMPLE);
    assert.equal(await page.getByLabel("Target table").inputValue(), "sales");
    await page.getByRole("heading", { name: "Preview of sales_sample.csv" }).waitFor();
    assert.match(await card("Columns of the file").innerText(), /DECIMAL\(12,2\)/);
    assert.match(await card("First rows").innerText(), /ORD-001/);
    await page.getByRole("button", { name: "Upload sales_sample.csv" }).click();
    await page.locator("#queue .pill", { hasText: "committed" }).waitFor();
    assert.match(await page.locator("#queue").innerText(), /200 rows in sales/);
    await page.getByRole("link", { name: /^Files/ }).click();
    const row = card("Files, newest first").getByRole("row", { name: /sales_sample\.csv/ });
    assert.match(await row.first().innerText(), /committed\s+200/);
  });

  test("the target table of a file chosen before the tables are loaded is suggested when they are", async () => {
    let answer: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (answer = resolve));
    await page.route("**/v1/tables", async (route) => {
      await held;
      await route.continue();
    });
    await page.goto(`${target.url}/#upload`);
    await page.reload();
    await choose(SAMPLE);
    assert.equal(await page.getByLabel("Target table").inputValue(), "sales_sample");
    answer();
    await page.locator("#preview .tiles", { hasText: "no changes" }).waitFor();
    assert.equal(await page.getByLabel("Target table").inputValue(), "sales");
    await page.unroute("**/v1/tables");
  });

  test("a file dropped anywhere on the page is previewed, and the detected format can be overridden", async () => {
    await open("#tables");
    const content = "a|b;c\n1|2;3\n";
    const dropped = await page.evaluateHandle(
      `(() => { const data = new DataTransfer(); data.items.add(new File([${JSON.stringify(content)}], "odd.csv")); return data; })()`,
    );
    await page.dispatchEvent("body", "drop", { dataTransfer: dropped });
    await page.getByRole("heading", { name: "Preview of odd.csv" }).waitFor();
    await page.getByText("File format settings").click();
    for (const [delimiter, columns] of [
      ["semicolon", /a_b[^]*c/],
      ["pipe", /a[^]*b_c/],
    ] as const) {
      await page.locator("#delimiter").selectOption(delimiter);
      await page.locator("#preview .tiles", { hasText: `${delimiter}, UTF-8` }).waitFor();
      assert.match(await card("Columns of the file").innerText(), columns);
    }
    await page.getByLabel("Target table").fill(own("odd"));
    await page.getByRole("button", { name: "Upload odd.csv" }).click();
    await page.locator("#queue .pill", { hasText: "committed" }).waitFor();
    await open(`#tables/${own("odd")}`);
    await card("Schema")
      .getByRole("row", { name: /b_c VARCHAR/ })
      .waitFor();
  });

  test("several files go to a table each; one can be taken off the list; new columns need a yes", async () => {
    const [one, two] = [own("alpha"), own("beta")];
    await open();
    const names = [`${one}.csv`, `${two}.csv`, "odd.csv"];
    await page.locator("#picker").setInputFiles(names.map((name, n) => write(name, `c${n}\n1\n`)));
    await page.getByRole("heading", { name: /^Preview of/ }).waitFor();
    assert.equal(await page.getByLabel("Target table").inputValue(), "");
    await page.getByRole("button", { name: "Remove odd.csv from the list" }).click();
    await page.getByRole("button", { name: "Upload all" }).click();
    await page.locator("#queue li", { hasText: `1 row in ${one}` }).waitFor();
    await page.locator("#queue li", { hasText: `1 row in ${two}` }).waitFor();
    assert.equal(await page.locator("#queue li").count(), 2);

    await choose(write("more.csv", "c0,extra\n1,2\n"), one);
    await page.getByRole("button", { name: "Upload more.csv" }).click();
    await page.getByText(`${one} would get 1 new column: extra.`).waitFor();
    await page.getByRole("button", { name: "Upload more.csv and add its columns" }).click();
    await page.locator("#queue .pill", { hasText: "committed" }).waitFor();
  });

  test("an upload shows its progress and can be cancelled: then nothing is stored", async () => {
    await open();
    // The response is withheld, so that there is time to see the progress and to cancel.
    await page.route("**/files/*.csv", () => new Promise(() => undefined));
    await choose(write("slow.csv", "id\n1\n"), own("slow"));
    await page.getByRole("button", { name: "Upload slow.csv" }).click();
    await page.getByRole("progressbar", { name: "Progress of slow.csv" }).waitFor();
    await page.getByText(/% sent|sent, storing/).waitFor();
    await page.getByRole("button", { name: "Cancel slow.csv" }).click();
    await page.getByRole("alert").getByText("nothing was stored").waitFor();
    await page.unroute("**/files/*.csv");
    await page.getByRole("button", { name: "Upload slow.csv" }).click();
    await page.locator("#queue .pill", { hasText: "committed" }).waitFor();
  });

  test("a file from another client appears live, and so does its page", async () => {
    await open("#files");
    const fileId = await send(own("elsewhere"), "other.csv", "id\n1\n");
    await page.getByRole("row", { name: new RegExp(`other\\.csv ${own("elsewhere")} committed`) }).waitFor();
    await page.getByRole("link", { name: "other.csv" }).first().press("Enter");
    await page.getByRole("heading", { name: "other.csv", level: 1 }).waitFor();
    assert.ok(page.url().endsWith(`#files/${fileId}`));
    assert.match(
      await region("Time").innerText(),
      /waited for a parser[^]*parsed[^]*waited for the commit[^]*committed/,
    );
    assert.match(await region("Details").innerText(), /1 read, 1 in the table, 0 rejected/);
    await page.getByRole("link", { name: "All files" }).click();
    await card("Files, newest first").waitFor();
  });

  test("an answer that was on its way shows no older state than what came live", async () => {
    const fileId = randomUUID();
    await send(own("late"), "late.csv", "id\n1\n");
    await open(`#tables/${own("late")}`);
    await page.getByRole("row", { name: /late\.csv committed/ }).waitFor();
    const read = page.waitForResponse("**/v1/files?limit=*");
    await page.reload();
    const { files } = (await (await read).json()) as { files: { sourceFile: string; status: string }[] };
    const file = { ...files.find(({ sourceFile }) => sourceFile === "late.csv")!, fileId };
    assert.equal(file.status, "committed");
    const older = { ...file, status: "parsing", commit: null };
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const answerLate = (path: string, json: object): Promise<unknown> =>
      page.route(path, async (route) => {
        await released;
        await route.fulfill({ json });
      });
    await answerLate("**/v1/files?limit=*", { files: [older], nextCursor: null });
    await answerLate(`**/v1/files/${fileId}`, older);
    const event = `event: file\ndata: ${JSON.stringify(file)}\n\n`;
    await page.route("**/v1/events", (route) => route.fulfill({ contentType: "text/event-stream", body: event }));
    await page.goto("about:blank");
    await page.goto(`${target.url}/#files/${fileId}`);
    const pill = page.locator("#file-detail .pill");
    await pill.getByText("committed").waitFor();
    const answered = [page.waitForResponse(`**/v1/files/${fileId}`), page.waitForResponse("**/v1/files?limit=*")];
    release();
    await Promise.all(answered);
    await page.evaluate("new Promise((resolve) => setTimeout(resolve, 300))");
    assert.match(await pill.innerText(), /committed/);
    await page.unrouteAll({ behavior: "ignoreErrors" });
  });

  test("a file is undone on its page, after its rows were counted", async () => {
    const fileId = await send(own("undone"), "wrong.csv", "id\n1\n2\n");
    await open(`#files/${fileId}`);
    await page.locator("#file-detail .pill", { hasText: "committed" }).waitFor();
    await page.getByRole("button", { name: "Undo this file …" }).click();
    await page.getByText(/^2 rows of .* came from wrong\.csv \(1 version\)/).waitFor();
    await page.getByLabel("Reason").fill("the wrong month");
    await page.getByRole("button", { name: "Undo", exact: true }).click();
    await page.getByText("Undone: 2 rows of wrong.csv taken back.").last().waitFor();
  });

  test("a table is rebuilt on its page, after what would change was shown", async () => {
    const table = own("retyped");
    await send(table, "a.csv?wait=committed", "id,code\n1,1\n2,2\n");
    await send(table, "b.csv?wait=committed", "id,code\n3,x3\n");
    await open(`#tables/${table}`);
    await page.getByRole("button", { name: "Rebuild this table …" }).click();
    await page
      .getByText(/^2 file versions, 29 B, would be read again\. The table has 2 rows now, the files have 3\.$/)
      .waitFor();
    await card("Columns that change")
      .getByRole("row", { name: /code INTEGER VARCHAR/ })
      .waitFor();
    await page.getByLabel("Reason").fill("codes are text");
    await page.getByRole("button", { name: "Rebuild", exact: true }).click();
    await page.getByText("The table is rebuilt.").last().waitFor();
    await card("Schema")
      .getByRole("row", { name: /code VARCHAR/ })
      .waitFor();
    await page.getByRole("link", { name: "rebuild of the table" }).waitFor();
  });

  test("a table is renamed on its page, after it was said what that means", async () => {
    const [table, to] = [own("oldname"), own("newname")];
    await send(table, "a.csv", "id\n1\n2\n");
    await open(`#tables/${table}`);
    await page.getByRole("button", { name: "Rename this table …" }).click();
    await page.getByLabel("New name").fill(to);
    await page.getByRole("button", { name: "What would happen?" }).click();
    await page.getByText(`2 rows: 1 file version, 7 B, are read again under the name ${to}.`).waitFor();
    await page.getByLabel("Reason").fill("a better word");
    await page.getByRole("button", { name: "Rename", exact: true }).click();
    await page.getByText(`Renamed: ${table} is ${to} now.`).last().waitFor({ timeout: 30_000 });
    await page.locator("#tables-title", { hasText: to }).waitFor();
  });

  test("a failed file shows the error and the remedy, in the list and on its page", async () => {
    await send(own("broken"), "empty.csv", "");
    await open("#files");
    await page.getByLabel("Show").selectOption("failed");
    await page
      .getByRole("row", { name: /empty\.csv .* failed .* FILE_EMPTY .* Send a file with at least a header line/ })
      .first()
      .waitFor();
    await page.getByRole("link", { name: "empty.csv" }).first().click();
    await page.getByRole("alert").getByText("FILE_EMPTY").waitFor();
    await page.getByText("None were read.").waitFor();
  });

  test("rejected rows: in the preview, on the table's page, by reason, and replayed", async () => {
    await open();
    await page.locator("#table-list option[value=sales]").waitFor({ state: "attached" });
    await choose(write("sales_rough.csv", ROUGH));
    assert.equal(
      await page.getByLabel("Target table").inputValue(),
      "sales",
      "the table whose name is a prefix of the file's",
    );
    await page.getByRole("button", { name: "Upload sales_rough.csv" }).click();
    await page.locator("#queue .pill", { hasText: "committed" }).waitFor();
    assert.equal(await card("Rows that would be rejected").getByRole("row").count(), 3);
    await page.locator("#queue").getByRole("link", { name: "2 rejected" }).click();
    await rejects().getByText("too_few_fields").waitFor();
    assert.match(await rejects().innerText(), /sales_rough\.csv\s+3\s+amount\s+type_mismatch/);
    assert.ok((await rejects().innerText()).includes(HOSTILE_IMAGE), "the row's text, as text");
    await page.getByLabel("Reason").selectOption("too_few_fields");
    await rejects().getByText("type_mismatch").waitFor({ state: "detached" });
    await page.getByLabel("Reason").selectOption("");
    await page.getByRole("button", { name: "Replay all files with rejected rows" }).click();
    await page.getByText(/Replaying \d+ files?: .*sales_rough\.csv/).waitFor();
    await card("Files of sales, newest first")
      .getByRole("row", { name: /sales_rough\.csv replayed committed/ })
      .first()
      .waitFor();
  });

  test("the table's page: schema, contract, checks and maintenance, by keyboard only", async () => {
    await open("#tables/sales");
    await card("Schema")
      .getByRole("row", { name: /order_id VARCHAR key, required/ })
      .waitFor();
    await page.getByRole("button", { name: "Run checks" }).focus();
    await page.keyboard.press("Enter");
    await page.getByText(/^\d of 8 checks did not pass: .*sales_country_accepted/).waitFor();
    await card("Checks")
      .getByRole("row", { name: /sales_country_accepted.* failed [1-9]\d* of \d+/ })
      .waitFor();
    const focused = await page.evaluate("document.activeElement.textContent");
    assert.equal(focused, "Run checks", "the page is redrawn and keeps the keyboard focus");
    await page.getByRole("button", { name: "Run maintenance" }).focus();
    await page.keyboard.press("Enter");
    await page.getByText(/optimize: completed/).waitFor();
    await card("Maintenance history")
      .getByRole("row", { name: /optimize completed/ })
      .first()
      .waitFor();
    await page.getByText("Full contract").click();
    assert.match(await page.locator("pre").innerText(), /"writeMode": "upsert"/);
  });

  test("a query by Ctrl+Enter, a table by a click, and a refused statement with its remedy", async () => {
    await open("#query");
    const sql = page.getByLabel("One SELECT statement");
    await sql.fill("SELECT country, count(*) AS n FROM sales WHERE country = 'Atlantis' GROUP BY country");
    await sql.press("Control+Enter");
    await card("Result").getByRole("row", { name: "Atlantis 1" }).waitFor();
    await page.getByRole("link", { name: "_ingest_files" }).click();
    await card("Result")
      .getByRole("columnheader", { name: /file_key/ })
      .waitFor();
    await sql.fill("DROP TABLE sales");
    await sql.press("Control+Enter");
    await page.getByRole("alert").getByText("QUERY_NOT_READ_ONLY").waitFor();
    await page.getByRole("alert").getByText("Send exactly one SELECT statement.").waitFor();
  });

  test("an SQL error keeps its lines: the caret points at the fault", async () => {
    await open("#query");
    const sql = page.getByLabel("One SELECT statement");
    await sql.fill("SELECT 1 AS one,\n  nowhere FROM sales");
    await sql.press("Control+Enter");
    const lines = page.getByRole("alert").locator("code.lines");
    await lines.waitFor();
    const text = (await lines.innerText()).split("\n");
    const caret = text.findIndex((line) => line.trim() === "^");
    assert.ok(caret > 0, text.join("\n"));
    assert.equal(text[caret - 1]!.indexOf("nowhere"), text[caret]!.indexOf("^"));
    assert.match(await lines.evaluate("getComputedStyle(document.querySelector('code.lines')).fontFamily"), /mono/i);
  });

  test("the footer shows the metrics with the key, and the API's page loads without errors", async () => {
    await open();
    await page.getByRole("link", { name: "Metrics" }).click();
    await page.locator("pre", { hasText: "# TYPE tributary_" }).waitFor();
    await page.goto(`${target.url}/docs`);
    await page.getByText("uploadFile").or(page.locator(".opblock").first()).first().waitFor();
    assert.deepEqual(pageErrors, []);
  });

  test("a table's page shows its own files and all its rejects, however many files and rows there are", async () => {
    const table = own("many");
    for (let n = 0; n < 25; n++)
      await send(table, `f${n}.csv`, n === 0 ? `a,b\n${"1,2\n1,2\n3\n".repeat(250)}` : "a,b\n1,2\n");
    // The newest files of all tables are those of other tables.
    await page.route("**/v1/files?limit=*", (route) => route.fulfill({ json: { files: [], nextCursor: null } }));
    await page.goto("about:blank");
    await open(`#tables/${table}`);
    const list = card(`Files of ${table}, newest first`);
    await list.getByRole("row", { name: /f24\.csv committed/ }).waitFor();
    assert.equal(await list.getByRole("row", { name: /^f0\.csv/ }).count(), 0);
    await page.getByRole("button", { name: "Show older files" }).click();
    await list.getByRole("row", { name: /^f0\.csv/ }).waitFor();
    assert.equal(await list.getByRole("row").count(), 26);
    await page.locator(".tiles div.bad", { hasText: /^Rejected rows250$/ }).waitFor();
    await region("Rejected rows").getByText("200 of 250").waitFor();
    await page.unroute("**/v1/files?limit=*");
  });

  test("rejected rows that a newer version settled: the page says where they are", async () => {
    const table = own("settled");
    await send(table, "one.csv", "a,b\n1,2\n3\n");
    await open(`#tables/${table}`);
    await region("Rejected rows").getByText("too_few_fields").waitFor();
    await send(table, "one.csv", "a,b\n1,2\n3,4\n");
    await region("Rejected rows").getByText("No rejected rows in the newest versions of the files.").waitFor();
    await region("Rejected rows").getByRole("link", { name: "_rejected_rows" }).click();
    await card("Result").waitFor();
  });

  test("long names make no page wider than a phone", async () => {
    const table = `long_${"name_".repeat(9)}${run}`;
    const name = `${"very_long_file_name_".repeat(5)}.csv`;
    await page.setViewportSize({ width: 390, height: 800 });
    await open();
    await upload(write(name, "a,b\n1,2\n3\n"), table);
    const fileId = await send(table, `second_${name}`, "a,b\n1,2\n3\n4,5,6\n");
    for (const view of ["#upload", "#files", `#files/${fileId}`, "#tables", `#tables/${table}`, `#query/${table}`]) {
      if (view !== "#upload") await open(view);
      if (view.startsWith("#tables/")) await rejects().getByText("too_many_fields").waitFor();
      const waiting = page.locator(".waiting");
      while ((await waiting.count()) > 0) await waiting.first().waitFor({ state: "detached" });
      const wide = await page.evaluate(
        "[...document.querySelectorAll('main *')].filter((one) => !one.closest('.scroll') && one.getBoundingClientRect().right > innerWidth).map((one) => one.outerHTML.slice(0, 200))",
      );
      assert.equal(
        await page.evaluate("document.documentElement.scrollWidth - innerWidth"),
        0,
        `${view}: ${String(wide)}`,
      );
    }
    await page.setViewportSize({ width: 1280, height: 900 });
  });

  test("a file's content, header and name are never executed", async () => {
    await open();
    const table = own("hostile");
    const name = "<img src=x onerror='window.broken=3'>.csv";
    await upload(write(name, `id,"${HOSTILE}",note\n1,"${HOSTILE}","${HOSTILE_IMAGE}"\n2,x,y\n`), table);
    assert.ok((await card("Columns of the file").innerText()).includes(HOSTILE), "the header, as text");
    await page.goto(`${target.url}/#query/${table}`);
    await card("Result").getByText(HOSTILE_IMAGE).waitFor();
    await page.goto(`${target.url}/#tables/${table}`);
    await card(`Files of ${table}, newest first`).getByText(name).click();
    await page.getByRole("heading", { name, level: 1 }).waitFor();
    await page.goto(`${target.url}/#tables/${encodeURIComponent(HOSTILE_IMAGE)}`);
    await page.getByRole("alert").waitFor();
    assert.equal(await page.evaluate("window.broken"), undefined);
    assert.equal(await page.locator("main script, main img").count(), 0);
  });

  test("a key with the scope 'read' shows the tables; other actions report the missing scope", async (t) => {
    if (!target.readerKey) return t.skip("the test does not control this gateway's keys");
    const ownContext = await browser.newContext();
    ownContext.setDefaultTimeout(profile.waitMs);
    const reader = listen(await ownContext.newPage());
    await reader.goto(`${target.url}/#tables/sales`);
    await reader.getByLabel("API key").fill(target.readerKey);
    await reader.keyboard.press("Enter");
    await reader.locator("#live.on").waitFor();
    await reader.getByRole("table", { name: "Schema" }).waitFor();
    await reader.getByRole("button", { name: "Run maintenance" }).click();
    await reader
      .getByRole("alert")
      .getByText(/lacks the scope 'admin'/)
      .waitFor();
    await reader.getByRole("button", { name: "Forget the API key" }).click();
    await reader.getByLabel("API key").waitFor();
    assert.equal(await reader.locator("#table-detail table").count(), 0, "the data read with the key is removed");
    await ownContext.close();
  });

  test("a lost connection is shown, and the console reconnects automatically", async (t) => {
    if (profile.name !== "embedded") return t.skip("tested with the embedded profile only");
    await open("#files");
    await target.restart!(() => page.locator("#live:not(.on)", { hasText: "not connected" }).waitFor());
    await page.locator("#live.on").waitFor();
    await card("Files, newest first")
      .getByRole("row", { name: /sales_sample/ })
      .first()
      .waitFor();
  });

  test("accessible: no axe violations in each view, light and dark, wide and narrow", async () => {
    const views = ["", "#files", "#tables", "#tables/sales", "#query/sales"];
    const assertAccessible = async (where: string): Promise<void> => {
      const found = await page.evaluate<{
        violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
      }>(`${AXE};axe.run(document, { resultTypes: ["violations"] })`);
      const faults = found.violations.flatMap(({ id, nodes }) =>
        nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`),
      );
      assert.deepEqual(faults, [], where);
    };
    for (const colorScheme of ["light", "dark"] as const) {
      for (const width of [1280, 360]) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 800 });
        for (const view of views) {
          await open(view);
          if (view === "") await choose(write("sales_rough.csv", ROUGH));
          if (view.startsWith("#tables/")) await card("Maintenance history").waitFor();
          if (view.startsWith("#query/")) await card("Result").waitFor();
          // Not waitForFunction: it evaluates text in the page, which the content security policy forbids.
          const waiting = page.locator(".waiting");
          while ((await waiting.count()) > 0) await waiting.first().waitFor({ state: "detached" });
          await assertAccessible(`${view || "#upload"} ${colorScheme} ${width}`);
          const overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
          assert.equal(overflow, 0, `${view} at ${width} does not scroll sideways`);
        }
      }
    }
  });

  test("the page reported no errors", () => {
    assert.deepEqual(pageErrors, []);
  });
}
