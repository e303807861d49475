/** The console as people use it: a real browser against the whole pipeline. Needs Chromium; without one it says so and is skipped. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { startTributary, type TributaryProcess } from "../../scripts/tributary-process.ts";
import { chromiumPath, openBrowser } from "./browser.ts";

const SAMPLE = fileURLToPath(new URL("../../data/sales_sample.csv", import.meta.url));
const WAIT_MS = 15_000;
const HOSTILE = "<script>window.broken = 1</script>";
const HOSTILE_IMAGE = "<img src=x onerror='window.broken = 2'>";
/** Two rows that cannot be typed: their text goes through preview, rejects and the raw column. */
const ROUGH = [
  "order_id,customer_id,amount,country,ingestion_date",
  "ORD-9001,CUST-1,12.50,Atlantis,2024-02-15",
  `ORD-9002,CUST-2,${HOSTILE_IMAGE},Italy,2024-02-15`,
  "ORD-9003,CUST-3",
  "",
].join("\n");

const chromium = chromiumPath();
const missing = "no Chromium found (TRIBUTARY_TEST_CHROMIUM names one): the console is not tested";
if (!chromium && process.env["REQUIRE_STACK"] === "1") throw new Error(missing);
if (!chromium) process.stderr.write(`SKIPPED: ${missing}\n`);

describe("console", { skip: chromium ? false : missing }, () => {
  let folder: string;
  let tributary: TributaryProcess;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  /** Whatever the page complained of: scripts that broke, resources that the content policy kept out. */
  const complaints: string[] = [];
  const write = (name: string, content: string): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  const open = async (hash = ""): Promise<void> => {
    await page.goto(`${tributary.url}/${hash}`);
    await page.locator("#live.on").waitFor();
  };
  const upload = async (path: string): Promise<void> => {
    await page.locator("#picker").setInputFiles(path);
    await page.getByRole("heading", { name: /^Preview of/ }).waitFor();
    await page.getByRole("button", { name: /^Upload .*csv$/ }).click();
    await page.locator("#queue .pill", { hasText: "committed" }).waitFor();
  };
  const region = (name: string) => page.getByRole("region", { name, exact: true });

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "tributary-console-"));
    const key = { id: "console", sha256: createHash("sha256").update("secret").digest("hex"), scopes: ["admin"] };
    const env = { TRIBUTARY_API_KEYS_FILE: write("keys.json", JSON.stringify([key])) };
    browser = await openBrowser(chromium!);
    tributary = await startTributary(join(folder, "data"), env);
    context = await browser.newContext();
    context.setDefaultTimeout(WAIT_MS);
    page = await context.newPage();
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => {
      // Refusals are logged by the browser itself; each test that causes one looks at what the page makes of it.
      if (message.type() === "error" && !/status of 40[014]/.test(message.text())) complaints.push(message.text());
    });
  });
  after(async () => {
    await browser?.close();
    await tributary?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("asks for an API key, says when it is a wrong one, and goes live with the right one", async () => {
    await page.goto(tributary.url);
    await page.getByLabel("API key").fill("wrong");
    await page.getByRole("button", { name: "Use this key" }).click();
    await page.getByText("the API key is not known").waitFor();
    await page.getByLabel("API key").fill("secret");
    await page.keyboard.press("Enter");
    await page.locator("#live.on").waitFor();
    assert.equal(await page.locator("#key-form").isVisible(), false);
  });

  test("preview, upload, and the commit shows by itself", async () => {
    await open();
    await page.locator("#picker").setInputFiles(SAMPLE);
    assert.equal(await page.getByLabel("Into table").inputValue(), "sales");
    await page.getByRole("heading", { name: "Preview of sales_sample.csv" }).waitFor();
    assert.match(await region("Columns of the file").innerText(), /DECIMAL\(12,2\)/);
    assert.match(await region("First rows").innerText(), /ORD-001/);
    await page.getByRole("button", { name: "Upload sales_sample.csv" }).click();
    await page.locator("#queue .pill", { hasText: "committed" }).waitFor();
    assert.match(await page.locator("#queue").innerText(), /200 rows in sales/);
    await page.getByRole("link", { name: /^Files/ }).click();
    const row = region("Files, newest first").getByRole("row", { name: /sales_sample\.csv/ });
    assert.match(await row.innerText(), /committed\s+200/);
  });

  test("a file that somebody else sends shows live", async () => {
    await open("#files");
    const sent = await fetch(`${tributary.url}/v1/tables/elsewhere/files/other.csv`, {
      method: "PUT",
      body: "id\n1\n",
      headers: { authorization: "Bearer secret" },
    });
    assert.equal(sent.status, 202);
    await page.getByRole("row", { name: /other\.csv elsewhere committed/ }).waitFor();
  });

  test("rejected rows: in the preview, on the table's page, and read again", async () => {
    await open();
    await page.locator("#table-list option[value=sales]").waitFor({ state: "attached" });
    await upload(write("sales_rough.csv", ROUGH));
    assert.equal(await page.getByLabel("Into table").inputValue(), "sales", "a table that the name begins with");
    assert.equal(await region("Rows that would be rejected").getByRole("row").count(), 3);
    await page.locator("#queue").getByRole("link", { name: "2 rejected" }).click();
    const rejects = region("Rejected rows")
      .filter({ has: page.getByRole("table") })
      .last();
    assert.match(await rejects.innerText(), /sales_rough\.csv\s+3\s+amount\s+type_mismatch/);
    assert.ok((await rejects.innerText()).includes(HOSTILE_IMAGE), "the row's text, as text");
    await page.getByRole("button", { name: "Read all files with rejected rows again" }).click();
    await page.getByText("1 file will be read again: sales_rough.csv").waitFor();
    await region("Files of sales, newest first")
      .getByRole("row", { name: /sales_rough\.csv read again committed/ })
      .waitFor();
  });

  test("the table's page: schema, contract, checks and maintenance, by keyboard alone", async () => {
    await open("#tables/sales");
    await region("Schema")
      .getByRole("row", { name: /order_id VARCHAR key, required/ })
      .last()
      .waitFor();
    await page.getByRole("button", { name: "Run checks" }).focus();
    await page.keyboard.press("Enter");
    await page.getByText("1 of 8 checks did not pass: sales_country_accepted.").waitFor();
    await region("Checks")
      .getByRole("row", { name: /sales_country_accepted.* failed 1 of 201/ })
      .last()
      .waitFor();
    const focused = await page.evaluate("document.activeElement.textContent");
    assert.equal(focused, "Run checks", "the page is drawn anew, and the keyboard stays where it was");
    await page.getByRole("button", { name: "Run maintenance" }).focus();
    await page.keyboard.press("Enter");
    await page.getByText(/optimize: completed/).waitFor();
    await region("Maintenance history")
      .getByRole("row", { name: /optimize completed/ })
      .waitFor();
    await page.getByText("All of it").click();
    assert.match(await page.locator("pre").innerText(), /"writeMode": "upsert"/);
  });

  test("a query by Ctrl+Enter, and a refused one with its remedy", async () => {
    await open("#query");
    const sql = page.getByLabel("One SELECT statement");
    await sql.fill("SELECT country, count(*) AS n FROM sales WHERE country = 'Atlantis' GROUP BY country");
    await sql.press("Control+Enter");
    await region("Result").getByRole("row", { name: "Atlantis 1" }).waitFor();
    await sql.fill("DROP TABLE sales");
    await sql.press("Control+Enter");
    await page.getByRole("alert").waitFor();
  });

  test("a file's content, header and name never run", async () => {
    await open();
    await page.getByLabel("Into table").fill("hostile");
    const name = "<img src=x onerror='window.broken=3'>.csv";
    await upload(write(name, `id,"${HOSTILE}",note\n1,"${HOSTILE}","${HOSTILE_IMAGE}"\n2,x,y\n`));
    assert.ok((await region("Columns of the file").innerText()).includes(HOSTILE), "the header, as text");
    await page.goto(`${tributary.url}/#query/hostile`);
    await region("Result").getByText(HOSTILE_IMAGE).waitFor();
    await page.goto(`${tributary.url}/#tables/hostile`);
    await region("Files of hostile, newest first").getByText(name).waitFor();
    await page.goto(`${tributary.url}/#tables/${encodeURIComponent(HOSTILE_IMAGE)}`);
    await page.getByRole("alert").waitFor();
    assert.equal(await page.evaluate("window.broken"), undefined);
    assert.equal(await page.locator("main script, main img").count(), 0);
  });

  test("nothing has broken, and every control has a name", async () => {
    assert.deepEqual(complaints, []);
    const nameless = await page.evaluate(
      `[...document.querySelectorAll("button, a[href], input, select, textarea")]
        .filter((node) => !(node.textContent.trim() || node.ariaLabel || node.labels?.length)).map((node) => node.outerHTML)`,
    );
    assert.deepEqual(nameless, []);
  });
});
