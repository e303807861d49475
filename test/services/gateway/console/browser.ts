/** A real Chromium, headless, with a profile of its own that goes with it. */
import { existsSync } from "node:fs";
import { chromium, type Browser } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Where the browser is (TRIBUTARY_TEST_CHROMIUM, else where systems put it); undefined: nowhere. */
export const chromiumPath = (): string | undefined =>
  [process.env["TRIBUTARY_TEST_CHROMIUM"] ?? "", ...PLACES].find((path) => path !== "" && existsSync(path));

export const openBrowser = (executablePath: string): Promise<Browser> =>
  chromium.launch({ executablePath, headless: true, args: FLAGS });
