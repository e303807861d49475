import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { systemClock } from "../../lib/clock.ts";
import { openEventLog } from "../../lib/event-log/open.ts";
import { TOPICS } from "../../lib/messages/topics.ts";
import { ROOT } from "../../scripts/stack/paths.ts";

const run = promisify(execFile);

describe("the init job", () => {
  let folder: string;
  before(async () => (folder = await mkdtemp(join(tmpdir(), "tributary-init-"))));
  after(() => rm(folder, { recursive: true, force: true }));

  /** Runs the job on an embedded log, which needs no server. */
  const init = (log: string, env: Record<string, string> = {}, ...args: string[]) =>
    run(process.execPath, ["--import", "./scripts/typescript/register.mjs", "scripts/stack/init.ts", ...args], {
      cwd: ROOT,
      env: { PATH: process.env["PATH"], TRIBUTARY_DATA_DIR: folder, TRIBUTARY_LOG_URL: log, ...env },
    });

  const partitionsIn = async (url: string): Promise<Map<string, number>> => {
    const log = await openEventLog(url, { clock: systemClock });
    try {
      return new Map(await log.partitionCounts());
    } finally {
      await log.close();
    }
  };

  it("creates the topics of this version, and a second run changes nothing", async () => {
    const url = `embedded:${folder}/own`;
    await init(url, { TRIBUTARY_LOG_PARTITIONS: "5" });
    await init(url, { TRIBUTARY_LOG_PARTITIONS: "7" });
    const wanted = Object.values(TOPICS).map(({ name, partitions }) => [name, partitions] as const);
    assert.deepEqual(await partitionsIn(url), new Map([...wanted, [TOPICS.fileEvents.name, 5]]));
  });

  it("creates the topics of a file", async () => {
    const url = `embedded:${folder}/file`;
    const path = join(folder, "topics.yml");
    await writeFile(path, "- { name: commands, partitions: 3, cleanup: delete, retentionMs: 1000 }\n");
    await init(url, {}, path);
    assert.deepEqual(await partitionsIn(url), new Map([["commands", 3]]));
  });

  it("ends with an error that names the setting, or what the bucket needs", async () => {
    const url = `embedded:${folder}/faulty`;
    await assert.rejects(init(url, { TRIBUTARY_KAFKA_TLS: "yes" }), /TRIBUTARY_KAFKA_TLS/);
    await assert.rejects(init(url, { TRIBUTARY_CATALOG_BUCKET: "tables" }), /the table bucket tables needs/);
  });
});
