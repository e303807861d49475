/**
 * The documentation as a site: `npm run docs:build` writes it to docs/.vitepress/dist and fails for a dead link.
 * VitePress is not installed with the packages (100 MB): npx brings the pinned version. The pages are those that
 * the repository shows, so the site's root is that of the repository.
 */
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const decisions = readdirSync(join(root, "docs/decisions"))
  .filter((name) => /^\d/.test(name))
  .map((name) => ({
    text: /^# (.*)$/m.exec(readFileSync(join(root, "docs/decisions", name), "utf8"))[1],
    link: `/docs/decisions/${name.replace(/\.md$/, "")}`,
  }));

const page = (text, path) => ({ text, link: `/docs/${path}` });

const sidebar = [
  {
    text: "Start",
    items: [
      { text: "Overview", link: "/" },
      page("Tutorial", "tutorial"),
      page("Running the stack", "running-the-stack"),
      page("Kubernetes", "kubernetes"),
      page("Migrating from Airflow", "migrating"),
      page("Comparison", "comparison"),
    ],
  },
  {
    text: "Files and tables",
    items: [
      page("Contracts", "contracts"),
      page("Held files", "files/held-files"),
      page("Structure of CSV files", "files/csv-structure"),
      page("CSV options", "files/csv-options"),
      page("Encodings", "files/encodings"),
      page("Types", "files/types"),
      page("Iceberg REST catalogs", "rest-catalog"),
    ],
  },
  {
    text: "Operations",
    items: [
      page("Operating", "operating"),
      page("Scaling", "scaling"),
      page("Observing", "observing"),
      page("Settings", "configuration"),
      page("Errors", "errors"),
      page("Metrics", "metrics"),
    ],
  },
  {
    text: "Components",
    items: [
      page("All components", "components/README"),
      ...["ingestion", "storage", "tables", "execution", "quality", "maintenance"].map((name) =>
        page(name[0].toUpperCase() + name.slice(1), `components/${name}`),
      ),
      page("Dashboards", "components/dashboards"),
      page("Monitoring", "components/monitoring"),
      page("Tenancy", "components/tenancy"),
      page("Commit gate", "components/commit-gate"),
    ],
  },
  {
    text: "Design",
    items: [
      page("Architecture", "ARCHITECTURE"),
      page("Invariants", "INVARIANTS"),
      { text: "Benchmarks", link: "/bench/README" },
      { text: "Contributing", link: "/CONTRIBUTING" },
      { text: "Changelog", link: "/CHANGELOG" },
    ],
  },
  { text: "Decisions", collapsed: true, items: decisions },
];

/** GitHub's anchors, which the links of the pages use (test/tidy/sources.ts, anchorsOf). */
const slugify = (heading) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .replace(/\s/g, "-");

export default {
  title: "Tributary",
  description: "CSV files into Apache Iceberg tables, as a stream",
  base: process.env.DOCS_BASE ?? "/",
  srcDir: "..",
  srcExclude: ["dist/**", "test/**", "**/node_modules/**"],
  rewrites: { "README.md": "index.md" },
  markdown: { anchor: { slugify } },
  // LICENSE is no page of the site: see buildEnd. The others are addresses of the reader's machine.
  ignoreDeadLinks: [/\/LICENSE$/, /^http:\/\/localhost:/],
  buildEnd({ outDir }) {
    const licence = readFileSync(join(root, "LICENSE"), "utf8").replaceAll("<", "&lt;");
    writeFileSync(join(outDir, "LICENSE.html"), `<!doctype html><title>LICENSE</title><pre>${licence}</pre>`);
    cpSync(join(root, "docs/screenshots"), join(outDir, "docs/screenshots"), { recursive: true });
  },
  themeConfig: { sidebar, outline: [2, 3], search: { provider: "local" } },
};
