/** The event log is lost, the tables are not: nothing comes in until an operator adopts the new log; then new versions replace old rows. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { z } from "zod";
import { openBlobStore } from "../../lib/blob/open.ts";
import { systemClock } from "../../lib/clock.ts";
import { contractsOf } from "../../lib/contract/load.ts";
import { hasCode } from "../../lib/errors.ts";
import { withEpochs } from "../../lib/event-log/epochs.ts";
import { openEventLog } from "../../lib/event-log/open.ts";
import { silentLogger } from "../../lib/service/logger.ts";
import { Registry } from "../../lib/service/metrics.ts";
import { openWarehouse } from "../../lib/warehouse/open.ts";
import { startCommitter } from "../../services/committer/service.ts";
import { gatewaySettings } from "../../services/gateway/config.ts";
import { startGateway } from "../../services/gateway/service.ts";
import { parserConfig, parserSettings } from "../../services/parser/config.ts";
import { startParser } from "../../services/parser/service.ts";
import { SETTINGS } from "../services/committer/harness.ts";

/** All but the scheduler, in this process, on a folder. */
async function start(folder: string) {
  const log = await withEpochs(await openEventLog(`embedded:${folder}/log`, { clock: systemClock }));
  const blob = await openBlobStore(`file:${folder}/blobs`);
  const warehouse = await openWarehouse(`duckdb:${folder}/warehouse.duckdb`);
  const shared = { log, blob, warehouse, contracts: contractsOf([]), clock: systemClock, logger: silentLogger() };
  const committer = await startCommitter({ ...shared, registry: new Registry(), settings: SETTINGS });
  const settings = { ...parserSettings(parserConfig.parse({})), workers: 1 };
  const parser = await startParser({ ...shared, registry: new Registry(), settings });
  const gateway = await startGateway({
    ...shared,
    registry: new Registry(),
    settings: z.object(gatewaySettings).parse({ TRIBUTARY_PORT: "0" }),
  });
  return {
    gateway,
    log,
    async put(file: string, rows: string) {
      const url = `${gateway.url}/v1/tables/t/files/${file}?wait=committed`;
      const response = await fetch(url, { method: "PUT", body: `id,name\n${rows}` });
      return { status: response.status, body: (await response.json()) as { code?: string; status?: string } };
    },
    async rows() {
      const sql = "SELECT _source_file, id, name, _source_offset FROM t ORDER BY 1, 2";
      return (await warehouse.query(sql, { rowsMax: 100, timeoutMs: 10_000 })).rows;
    },
    async stop() {
      for (const service of [gateway, parser, committer]) await service.drain();
      for (const port of [log, blob, warehouse]) await port.close();
    },
  };
}

test("a recreated event log is refused until it is adopted, and then new versions replace old rows", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "tributary-recreated-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const before = await start(folder);
  assert.equal((await before.put("a.csv", "1,one\n2,two\n")).body.status, "committed");
  assert.equal((await before.put("b.csv", "7,seven\n")).body.status, "committed");
  const adopting = await fetch(`${before.gateway.url}/v1/log/adopt-recreated`, { method: "POST" });
  assert.equal(adopting.status, 400, "a log that has its past is not adopted");
  await before.stop();
  await rm(join(folder, "log"), { recursive: true });

  const after = await start(folder);
  await assert.rejects(after.gateway.ready(), (thrown) => hasCode(thrown, "LOG_RECREATED"));
  const refused = await after.put("a.csv", "1,uno\n");
  assert.deepEqual([refused.status, refused.body.code], [500, "LOG_RECREATED"]);
  const [end] = await after.log.offsets("file-events");
  assert.equal(end!.next, 0, "nothing came in");

  const answer = await fetch(`${after.gateway.url}/v1/log/adopt-recreated`, { method: "POST" });
  assert.deepEqual(await answer.json(), { base: 2, tables: 1, repeated: 0 });
  assert.equal((await after.put("a.csv", "1,uno\n")).body.status, "committed");
  assert.deepEqual(await after.rows(), [
    ["a.csv", 1, "uno", 2],
    ["b.csv", 7, "seven", 1],
  ]);
  await after.gateway.ready();
  await after.stop();

  const again = await start(folder);
  assert.equal((await again.put("b.csv", "7,sept\n")).body.status, "committed", "the base outlives the process");
  assert.deepEqual(await again.rows(), [
    ["a.csv", 1, "uno", 2],
    ["b.csv", 7, "sept", 3],
  ]);
  await again.stop();
});
