import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { asidePathOf, pathOf, readName } from "../../../../lib/blob/file/names.ts";
import { checkKey, compareKeys } from "../../../../lib/blob/keys.ts";

const isKey = (key: string): boolean => {
  try {
    checkKey(key);
    return true;
  } catch {
    return false;
  }
};
const piece = fc.oneof(
  fc.constantFrom(
    "%%",
    "%+",
    "%=",
    ".",
    "..",
    "%",
    "%2F",
    " ",
    "🚀",
    "é",
    "a",
    "x".repeat(253),
    "x".repeat(255),
    "é".repeat(128),
  ),
  fc.string({ unit: "binary", maxLength: 3 }),
);
const segment = fc.array(piece, { minLength: 1, maxLength: 3 }).map((pieces) => pieces.join("").replaceAll("/", "_"));
const key = fc
  .array(segment, { minLength: 1, maxLength: 3 })
  .map((segments) => segments.join("/"))
  .filter(isKey);

/** Decodes the names of a path back to the key. */
function keyOf(path: string): { key: string; aside: boolean } {
  let aside = false;
  const segments = [""];
  for (const name of path.split("/")) {
    const read = readName(name);
    assert.ok(read, `${name} is hidden`);
    segments.push(segments.pop()! + read.text);
    if (read.kind === "name") {
      aside = read.aside;
      segments.push("");
    }
  }
  return { key: segments.slice(0, -1).join("/"), aside };
}

test("every key has two unique paths of valid file names", () => {
  fc.assert(
    fc.property(key, (key) => {
      for (const [path, aside] of [
        [pathOf(key), false],
        [asidePathOf(key), true],
      ] as const) {
        assert.deepEqual(keyOf(path), { key, aside });
        for (const name of path.split("/")) {
          assert.ok(Buffer.byteLength(name) <= 255 && name !== "" && !name.startsWith("."), JSON.stringify(name));
        }
      }
    }),
  );
});

test("ordinary names stay unchanged", () => {
  for (const key of ["sales/2024/jan.csv", "100%.csv", "a%2Fb", "report%20jan.csv", "ü 🚀.csv", "x".repeat(255), "%"]) {
    assert.equal(pathOf(key), key);
  }
  assert.equal(pathOf(".hidden/%%a/%+b/%=c"), "%%.hidden/%%%%a/%%%+b/%%%=c");
  assert.equal(asidePathOf("a/b"), "a/%=b");
  assert.equal(pathOf(`${"x".repeat(256)}/y`), `%+${"x".repeat(253)}/%%xxx/y`);
});

test("keys are ordered by their UTF-8 bytes", () => {
  const text = fc.string({
    unit: fc.constantFrom("a", "b", "/", "-", "é", "\ud7ff", "\ue000", "\uffee", "🚀", "\u{10ffff}"),
  });
  fc.assert(
    fc.property(text, text, (a, b) => {
      assert.equal(Math.sign(compareKeys(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
  );
});
