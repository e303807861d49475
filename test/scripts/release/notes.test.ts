import assert from "node:assert/strict";
import { test } from "node:test";
import { notesOf, versionOfTag } from "../../../scripts/release/notes.ts";

const changelog = `# Changelog

## Unreleased

## [1.10.0] - 2026-02-03

### Added
- A table.

## 1.1.0
- Less.
`;

test("the notes of a version are what is between its heading and the next", () => {
  assert.equal(notesOf(changelog, "1.10.0"), "### Added\n- A table.\n");
  assert.equal(notesOf(changelog, "1.1.0"), "- Less.\n");
});

test("a version without notes is refused", () => {
  assert.throws(() => notesOf(changelog, "1.1"), /no heading ## 1\.1:/);
  assert.throws(() => notesOf(changelog.replace("Unreleased", "2.0.0"), "2.0.0"), /says nothing about 2\.0\.0/);
});

test("a tag that is not the package's version is refused", () => {
  assert.equal(versionOfTag("v1.1.0", "1.1.0"), "1.1.0");
  assert.throws(() => versionOfTag("v1.2.0", "1.1.0"), /v1\.2\.0 is not v1\.1\.0/);
  assert.throws(() => versionOfTag("1.1.0", "1.1.0"), /is not v1\.1\.0/);
});
