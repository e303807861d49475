import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

const ROOT = join(import.meta.dirname, "..", "..");

describe("npm run compose:smoke", () => {
  const folder = mkdtempSync(join(tmpdir(), "tributary-smoke-"));
  let requests = 0;
  const other = createServer((_, response) => {
    requests++;
    response.end("{}");
  });
  before(async () => {
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    const hash = createHash("sha256").update("a key").digest("hex");
    writeFileSync(join(folder, ".env.example"), "");
    writeFileSync(join(folder, ".env"), `API_KEY_SHA256=${hash}\nGATEWAY_PORT=${port}\n`);
    mkdirSync(join(folder, "bin"));
  });
  after(() => {
    other.close();
    rmSync(folder, { recursive: true });
  });

  /** Runs it with this script as `docker`, or without one. */
  const smoke = (docker?: string): Promise<{ code: unknown; stderr: string }> => {
    const program = join(folder, "bin", "docker");
    rmSync(program, { force: true });
    if (docker !== undefined) {
      writeFileSync(program, `#!/bin/sh\n${docker}\n`);
      chmodSync(program, 0o755);
    }
    const args = ["--import", "./scripts/typescript/register.mjs", "scripts/compose/main.ts", "--folder", folder];
    const env = { PATH: join(folder, "bin"), TRIBUTARY_API_KEY: "a key" };
    return new Promise((resolve) => {
      execFile(process.execPath, args, { cwd: ROOT, env, timeout: 60_000 }, (error, _, stderr) =>
        resolve({ code: error?.code, stderr }),
      );
    });
  };

  for (const [what, docker, message] of [
    ["Docker is missing", undefined, /^docker compose does not work on this machine: .*ENOENT/],
    ["the compose plugin is missing", 'echo "unknown command: compose" >&2; exit 1', /unknown command: compose/],
    ["nothing runs", "", /^the gateway of this compose does not run: docker compose up/],
    [
      "the gateway has another port",
      'case "$2" in ps) echo \'{"ID":"1","Service":"gateway","State":"running"}\';; port) echo 127.0.0.1:1;; esac',
      /^the gateway is at 127\.0\.0\.1:1, GATEWAY_PORT is \d+/,
    ],
  ] as const) {
    it(`ends at once and sends nothing if ${what}`, async () => {
      const { code, stderr } = await smoke(docker);
      assert.equal(code, 1);
      assert.match(stderr, message);
      assert.equal(requests, 0);
    });
  }
});
