import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parse as parseYaml } from "yaml";
import { hashOf } from "../../lib/process/api-keys.ts";
import { parseApiKeys } from "../../services/gateway/access/api-keys.ts";
import { tributary } from "./tributary.ts";

test("keys new prints the secret once, and a line that the gateway accepts", async () => {
  const made = await tributary(["keys", "new", "--id", "loader", "--scopes", "upload,read", "--expires", "90d"]);
  assert.equal(made.code, 0, made.err);
  const [, key = ""] = /^ {2}(tby_[\w-]{43})$/m.exec(made.out) ?? [];
  const line = made.out.split("\n").find((text) => text.startsWith("- "))!;
  const [entry] = parseApiKeys(line, "keys.yml");
  assert.deepEqual([entry!.id, entry!.scopes], ["loader", ["upload", "read"]]);
  assert.equal(entry!.sha256, hashOf(key).toString("hex"));
  const days = (Date.parse(entry!.expiresAt!) - Date.now()) / 86_400_000;
  assert.ok(days > 89.9 && days <= 90, `${days} days`);
  assert.equal(made.out.split(key).length, 2, "once");

  const again = JSON.parse((await tributary(["keys", "new", "--id", "x", "--scopes", "admin", "--json"])).out) as { key: string; line: string }; // prettier-ignore
  assert.notEqual(again.key, key);
  assert.deepEqual(Object.keys((parseYaml(again.line) as object[])[0]!), ["id", "sha256", "scopes"]);
});

test("keys new refuses arguments that would make the line invalid or change its meaning", async () => {
  for (const args of [
    ["--id", "a", "--scopes", "fly"],
    ["--id", "a, scopes: [admin]", "--scopes", "read"],
    ["--id", "a\n- b", "--scopes", "read"],
    ["--scopes", "read"],
    ["--id", "a", "--scopes", "read", "--expires", "soon"],
  ]) {
    assert.equal((await tributary(["keys", "new", ...args])).code, 2, args.join(" "));
  }
});

test("keys new --add-to makes a private keys file, and adds to one that exists", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tributary-keys-"));
  const file = join(folder, "api-keys.yml");
  try {
    for (const id of ["admin", "loader"]) {
      const made = await tributary(["keys", "new", "--id", id, "--scopes", "read", "--add-to", file]);
      assert.equal(made.code, 0, made.err);
      assert.match(made.out, /tby_/);
    }
    const keys = parseApiKeys(await readFile(file, "utf8"), file);
    assert.deepEqual(
      keys.map(({ id }) => id),
      ["admin", "loader"],
    );
    assert.equal((await stat(file)).mode & 0o777, 0o600);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
