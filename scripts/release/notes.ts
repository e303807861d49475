/**
 * `notes.ts v1.2.3` prints the section of CHANGELOG.md about that version. The release workflow calls it with
 * the tag.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { messageOf } from "../../lib/errors.ts";
import { ROOT } from "../stack/paths.ts";

/**
 * The text below the heading `## 1.2.3` or `## [1.2.3] - 2026-01-31`, without the heading.
 * @throws Error if there is no such heading, or nothing below it
 */
export function notesOf(changelog: string, version: string): string {
  const lines = changelog.split("\n");
  const versionOf = (line: string): string | undefined => /^## \[?([^\]\s]+)\]?/.exec(line)?.[1];
  const from = lines.findIndex((line) => versionOf(line) === version);
  if (from === -1) throw new Error(`CHANGELOG.md has no heading ## ${version}: rename Unreleased`);
  const rest = lines.slice(from + 1);
  const to = rest.findIndex((line) => line.startsWith("## "));
  const text = rest.slice(0, to === -1 ? undefined : to).join("\n");
  if (text.trim() === "") throw new Error(`CHANGELOG.md says nothing about ${version}`);
  return `${text.trim()}\n`;
}

/** @throws Error if the tag is not `v` and the version of package.json */
export function versionOfTag(tag: string, packageVersion: string): string {
  if (tag === `v${packageVersion}`) return packageVersion;
  throw new Error(`the tag ${tag} is not v${packageVersion}, the version in package.json`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
  try {
    const { version } = JSON.parse(read("package.json")) as { version: string };
    process.stdout.write(notesOf(read("CHANGELOG.md"), versionOfTag(process.argv[2] ?? "", version)));
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    process.exitCode = 1;
  }
}
