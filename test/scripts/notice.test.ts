import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { copyrightsIn, licenceFaults, lockedPackages, noticeOf } from "../../scripts/notice.ts";

test("NOTICE lists the packages of an installation", () => {
  const notice = readFileSync(new URL("../../NOTICE", import.meta.url), "utf8");
  assert.equal(notice, noticeOf(lockedPackages()), "run `npm run generate`");
  assert.match(notice, /^avsc [\d.]+ \(MIT\)\n {4}Copyright \(c\) 2015-\d+, Matthieu Monsch/m);
  assert.doesNotMatch(notice, /^typescript /m, "a package for development");
});

test("every package of an installation has a licence that asks only for its notice", () => {
  assert.deepEqual(licenceFaults(lockedPackages()), []);
  const faults = licenceFaults({
    "": { version: "1.0.0", license: "Apache-2.0" },
    "node_modules/a": { version: "1.0.0", license: "GPL-3.0-only" },
    "node_modules/a/node_modules/@b/c": { version: "2.0.0" },
    "node_modules/d": { version: "3.0.0", license: "GPL-3.0-only", dev: true },
    "node_modules/e": { version: "4.0.0", license: "MIT" },
  });
  const remedy = "use another package, or allow the licence";
  assert.deepEqual(faults, [`a 1.0.0 (GPL-3.0-only): ${remedy}`, `@b/c 2.0.0 (no licence): ${remedy}`]);
});

test("a copyright line is one that names a holder", () => {
  const text = [
    "# Copyright (c) 2014 Ann",
    "Original code Copyright Bob <b@example.com>",
    "  2. Grant of Copyright License. Subject to the terms",
    "   (c) You must retain, in the Source form",
    "   Copyright [yyyy] [name of copyright owner]",
    "(c) 2007-2009 Cem",
  ].join("\n");
  assert.deepEqual(copyrightsIn(text), [
    "Copyright (c) 2014 Ann",
    "Original code Copyright Bob <b@example.com>",
    "(c) 2007-2009 Cem",
  ]);
});
