/**
 * Regenerates docs/screenshots: `node --import tsx test/services/gateway/console/screenshots.ts`. Needs
 * Chromium.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { startTributary } from "../../../../scripts/tributary-process.ts";
import { chromiumPath, openBrowser } from "./browser.ts";

const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));
const SIZE = { width: 1240, height: 900 };
const ROUGH = `order_id,customer_id,amount,country,ingestion_date
ORD-201,CUST-107,129.90,Italy,2024-02-10
ORD-202,CUST-131,twelve,Spain,2024-02-10
ORD-203,CUST-118
ORD-204,CUST-140,75.00,Atlantis,2024-02-10
ORD-205,CUST-122,18.40,France,10.02.2024
`;

/** Fills a table: several files, some rejected rows, checks that passed and failed, maintenance. */
async function fill(url: string): Promise<void> {
  const put = async (name: string, body: Buffer | string): Promise<void> => {
    const path = `${url}/v1/tables/sales/files/${name}?wait=committed`;
    await fetch(path, { method: "PUT", body: new Uint8Array(Buffer.from(body)) });
  };
  const post = async (path: string): Promise<void> => {
    const headers = { "content-type": "application/json" };
    await fetch(`${url}/v1/tables/sales/${path}`, { method: "POST", headers, body: "{}" });
  };
  await put("sales_2024-01.csv", await readFile(join(ROOT, "data", "sales_sample.csv")));
  for (let run = 0; run < 4; run++) await post("checks/run");
  await put("sales_2024-02-10.csv", ROUGH);
  for (let run = 0; run < 3; run++) await post("checks/run");
  await post("maintenance/run");
}

async function shoot(
  browser: Browser,
  url: string,
  name: string,
  show: { hash: string; colorScheme?: "dark"; act?: (page: Page) => Promise<unknown> },
): Promise<void> {
  const context = await browser.newContext({ viewport: SIZE, colorScheme: show.colorScheme ?? "light" });
  const page = await context.newPage();
  await page.goto(`${url}/${show.hash}`);
  await page.locator("#live.on").waitFor();
  await show.act?.(page);
  await page.locator(".waiting").waitFor({ state: "detached" });
  await page.screenshot({ path: join(ROOT, "docs", "screenshots", `${name}.png`) });
  await context.close();
}

const folder = await mkdtemp(join(tmpdir(), "tributary-screenshots-"));
const tributary = await startTributary(join(folder, "data"));
const browser = await openBrowser(chromiumPath()!);
try {
  const chosen = join(folder, "sales_2024-02-11.csv");
  await writeFile(chosen, ROUGH.replaceAll("2024-02-10", "2024-02-11"));
  await fill(tributary.url);
  await shoot(browser, tributary.url, "upload", {
    hash: "",
    async act(page) {
      await page.locator("#picker").setInputFiles(chosen);
      await page.getByRole("heading", { name: /^Preview of/ }).waitFor();
    },
  });
  const loaded = (page: Page) => page.getByRole("table", { name: "Maintenance history" }).waitFor();
  await shoot(browser, tributary.url, "table", { hash: "#tables/sales", act: loaded });
  await shoot(browser, tributary.url, "table-dark", { hash: "#tables/sales", colorScheme: "dark", act: loaded });
  await shoot(browser, tributary.url, "file", {
    hash: "#files",
    act: async (page) => {
      await page.getByRole("link", { name: "sales_2024-02-10.csv" }).first().click();
      await page.getByRole("heading", { name: "Details" }).waitFor();
    },
  });
} finally {
  await browser.close();
  await tributary.stop();
  await rm(folder, { recursive: true, force: true });
}
