import { z } from "zod";
import type { GroupMember } from "../../../lib/event-log/event-log.ts";
import { partitionOfKey } from "../../../lib/event-log/partitioner.ts";
import { GROUPS, TOPICS } from "../../../lib/messages/topics.ts";
import { lagReader, type Lags } from "../../../lib/observability/lag.ts";
import { keyOf, ROWS_TOPICS, tableId, tableOfTopic } from "../../../lib/tables.ts";
import type { App, GatewayDeps } from "../http/deps.ts";
import { problemResponses } from "../http/parameters.ts";

const TABLES_MAX = 20;

/** The services that work as members of a consumer group. */
const ROLES = Object.entries({ parser: GROUPS.parser, committer: GROUPS.committer });

const workerSchema = z
  .object({
    role: z.string().describe("parser or committer"),
    id: z.string().describe("its name in the consumer group"),
    host: z.string().nullable().describe("its address as the event log sees it; null: in the gateway's process"),
    partitions: z.number().describe("partitions of the event log that it owns"),
    waiting: z.number().describe("records in them that it has not processed"),
    oldestSeconds: z.number().describe("age of the oldest of these"),
    tables: z.array(z.string()).describe(`tables with such records, the latest first; at most ${TABLES_MAX}`),
  })
  .meta({ id: "Worker" });

const workersSchema = z
  .object({
    workers: z.array(workerSchema),
    missing: z.array(z.string()).describe("roles without a live worker: their records wait"),
  })
  .meta({ id: "Workers" });

/** GET /v1/workers: the live parsers and committers, and what each one works on. */
export function addWorkerRoutes(app: App, { log, clock }: GatewayDeps): void {
  const measure = lagReader(log);
  let measuring: Promise<Lags> | undefined;
  // The reader keeps what it has read: one request at a time uses it.
  const lags = (): Promise<Lags> =>
    (measuring ??= measure(clock.nowMs()).finally(() => {
      measuring = undefined;
    }));
  app.get(
    "/v1/workers",
    {
      config: { scope: "read" },
      schema: {
        operationId: "listWorkers",
        tags: ["operations"],
        summary: "The live parsers and committers, and what each one works on",
        response: { 200: workersSchema, ...problemResponses },
      },
    },
    async () => {
      const [measured, counts, ...groups] = await Promise.all([
        lags(),
        log.partitionCounts(),
        ...ROLES.map(([, group]) => log.groupMembers(group)),
      ]);
      const filePartitions = counts.get(TOPICS.fileEvents.name) ?? 1;
      const workers = ROLES.flatMap(([role, group], at) =>
        groups[at]!.map((member) => ({ role, ...workOf(member, group, measured, filePartitions) })),
      );
      return { workers, missing: ROLES.filter((_, at) => groups[at]!.length === 0).map(([role]) => role) };
    },
  );
}

function workOf({ id, host, partitions }: GroupMember, group: string, lags: Lags, filePartitions: number) {
  const owned = new Set(partitions.map(({ topic, partition }) => `${topic}/${partition}`));
  const own = lags.partitions.filter((lag) => lag.group === group && owned.has(`${lag.topic}/${lag.partition}`));
  const topicsOfTables = new Set(
    partitions.filter(({ topic }) => ROWS_TOPICS.test(topic)).map(({ topic }) => tableOfTopic(topic).name),
  );
  const isOwn = (table: string): boolean =>
    topicsOfTables.has(table) ||
    owned.has(`${TOPICS.fileEvents.name}/${partitionOfKey(keyOf(tableId(table)), filePartitions)}`);
  const tables = lags.tables
    .filter((lag) => lag.group === group && lag.messages > 0 && isOwn(lag.table))
    .sort((a, b) => b.seconds - a.seconds)
    .slice(0, TABLES_MAX);
  return {
    id,
    host: host ?? null,
    partitions: partitions.length,
    waiting: own.reduce((sum, { messages }) => sum + messages, 0),
    oldestSeconds: Math.max(0, ...own.map(({ seconds }) => seconds)),
    tables: tables.map(({ table }) => table),
  };
}
