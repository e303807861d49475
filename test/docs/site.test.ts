import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

interface Entry {
  link?: string;
  items?: Entry[];
}

const root = fileURLToPath(new URL("../..", import.meta.url));

test("the navigation of the site leads to every page, and to nothing else", async () => {
  const config = new URL("../../docs/.vitepress/config.mjs", import.meta.url).href;
  const { default: site } = (await import(config)) as { default: { themeConfig: { sidebar: Entry[] } } };
  const linksIn = (entries: Entry[]): string[] =>
    entries.flatMap(({ link, items = [] }) => [...(link === undefined ? [] : [link]), ...linksIn(items)]);
  const linked = linksIn(site.themeConfig.sidebar).map((link) => (link === "/" ? "README.md" : `${link.slice(1)}.md`));
  const gone = linked.filter((path) => !existsSync(join(root, path)));
  assert.deepEqual(gone, [], "remove it from docs/.vitepress/config.mjs");
  const pages = (readdirSync(join(root, "docs"), { recursive: true }) as string[])
    .map((path) => `docs/${path.replaceAll("\\", "/")}`)
    .filter((path) => path.endsWith(".md") && path !== "docs/decisions/README.md");
  const missing = pages.filter((path) => !linked.includes(path));
  assert.deepEqual(missing, [], "add it to the sidebar of docs/.vitepress/config.mjs");
});
