/** A headless Chromium with a temporary profile. */
import { existsSync } from "node:fs";
import { chromium, type Browser } from "playwright-core";

const DEFAULT_PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Path of the browser: TRIBUTARY_TEST_CHROMIUM, else a default path; undefined if there is none. */
export const chromiumPath = (): string | undefined =>
  [process.env["TRIBUTARY_TEST_CHROMIUM"] ?? "", ...DEFAULT_PATHS].find((path) => path !== "" && existsSync(path));

export const openBrowser = (executablePath: string): Promise<Browser> =>
  chromium.launch({ executablePath, headless: true, args: FLAGS });
