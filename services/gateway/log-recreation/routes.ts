import { z } from "zod";
import { TributaryError, hasCode } from "../../../lib/errors.ts";
import { EPOCH_KEY } from "../../../lib/event-log/recreation/epochs.ts";
import { logEpochs } from "../../../lib/messages/avro.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { assertLogKeptItsPast } from "../../../lib/event-log/recreation/log-past.ts";
import { versionEvents } from "../../../lib/file-versions/events.ts";
import { publishReplays } from "../replays/replay.ts";
import { publishColumns } from "./table-columns.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { problemResponses } from "../http/parameters.ts";

const adoptedSchema = z
  .object({
    base: z.number().describe("offset at which file events continue: one more than any table has absorbed"),
    tables: z.number().describe("tables that had absorbed file events of the lost log"),
    repeated: z.number().describe("file events received in the new log before its adoption, published again"),
  })
  .meta({ id: "AdoptedLog" });

/** Operator actions on the event log as a whole. */
export function addLogRoutes(app: App, deps: GatewayDeps): void {
  const { log, warehouse, clock, logger, metrics } = deps;
  app.post(
    "/v1/log/adopt-recreated",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "adoptRecreatedLog",
        tags: ["operations"],
        summary: "Adopt a recreated event log and continue with it (LOG_RECREATED)",
        response: { 200: adoptedSchema, ...problemResponses },
      },
    },
    async () => {
      const watermarks = await warehouse.watermarks();
      if (!(await isRecreated(watermarks))) {
        throw new TributaryError("BAD_REQUEST", "the event log was not recreated: nothing to adopt");
      }
      // Before any file is accepted: parsers know a table's columns from the log alone.
      await publishColumns(deps, watermarks);
      const base = Math.max(...watermarks.values()) + 1;
      const value = logEpochs.encode({ base, adoptedAtMs: clock.nowMs() });
      await log.publish(TOPICS.logEpochs.name, [{ key: EPOCH_KEY, value }]);
      // Committers skipped the events received before the adoption. Published again, they get higher offsets.
      const early = (await Promise.all([...(await earlyTables())].map((table) => versionEvents(log, table)))).flat();
      await publishReplays({ log, clock, metrics }, early, "newest");
      logger.warn({ base, tables: watermarks.size, repeated: early.length }, "recreated event log adopted");
      return { base, tables: watermarks.size, repeated: early.length };
    },
  );

  const isRecreated = async (watermarks: ReadonlyMap<string, number>): Promise<boolean> => {
    try {
      await assertLogKeptItsPast(log, watermarks);
      return false;
    } catch (thrown) {
      if (hasCode(thrown, "LOG_RECREATED")) return true;
      throw thrown;
    }
  };

  const earlyTables = async (): Promise<Set<string>> => {
    const { name } = TOPICS.fileEvents;
    const tables = new Set<string>();
    for (const { partition, earliest, next } of await log.offsets(name)) {
      if (next <= earliest) continue;
      for await (const { key } of log.read(name, partition, earliest, next)) if (key !== null) tables.add(key);
    }
    return tables;
  };
}
