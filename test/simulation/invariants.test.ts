import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { MUTATIONS } from "../../scripts/mutation-check.ts";

const text = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const tableRows = (markdown: string): string[][] =>
  markdown
    .split("\n")
    .filter((line) => line.startsWith("| I"))
    .map((line) => line.slice(2, -2).split(" | "));

test("docs/INVARIANTS.md names existing tests and at least one test and one mutation per invariant", () => {
  const rows = tableRows(text("docs/INVARIANTS.md"));
  const declared = rows.filter((cells) => cells.length === 2).map(([id]) => id!);
  const mapped = rows.filter((cells) => cells.length === 3 && cells[0] !== "invariant");
  const covered = new Set<string>();
  for (const [ids, file, name] of mapped) {
    for (const id of ids!.split(" ")) covered.add(id);
    assert.ok(text(file!).includes(name!), `${file} has no test '${name}'`);
  }
  assert.deepEqual([...covered].toSorted(), declared.toSorted());
  assert.deepEqual([...new Set(MUTATIONS.map(({ invariant }) => invariant))].toSorted(), declared.toSorted());
});

test("the snippet of every mutation in scripts/mutation-check.ts occurs exactly once", () => {
  for (const { file, from, what } of MUTATIONS) {
    assert.equal(text(file).split(from).length, 2, `${what}: the snippet does not occur exactly once in ${file}`);
  }
});

test("every mutation names a test that exists", () => {
  for (const { run, what } of MUTATIONS) {
    const file = run.find((argument) => argument.startsWith("test/"))!;
    const name = run.find((argument) => argument.startsWith(PATTERN))?.slice(PATTERN.length) ?? "";
    // Before a colon stands a value that the test fills in, such as the write mode.
    const words = name.split(": ").at(-1)!;
    assert.ok(testsOf(file).includes(words), `${what}: ${file} has no test '${name}'`);
  }
});

const PATTERN = "--test-name-pattern=";

/** The text of a test file, and of the files that register tests for it, such as a port's contract. */
const testsOf = (file: string): string => {
  const own = text(file);
  const registered = [...own.matchAll(/from "\.\/([\w-]+\.contract\.ts)"/g)];
  return own + registered.map(([, name]) => testsOf(`${dirname(file)}/${name}`)).join("\n");
};
