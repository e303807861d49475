/** A gateway on in-memory ports, and the events that a parser and a committer would publish. */
import { gatewaySettings, type GatewaySettings } from "../../../services/gateway/config.ts";
import { startGateway, type GatewayOptions } from "../../../services/gateway/service.ts";
import { z } from "zod";
import { systemClock } from "../../../lib/clock.ts";
import { contractsOf } from "../../../lib/contract/load.ts";
import { commitEvents, fileEvents, parseEvents } from "../../../lib/messages/avro.ts";
import type { CommitEvent, FileEvent, FileOutcome, ParseEvent } from "../../../lib/messages/generated.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { silentLogger } from "../../../lib/process/logger.ts";
import { makeRegistry } from "../../../lib/process/metrics.ts";
import {
  fakeBlobStore,
  fakeEventLog,
  fakeWarehouse,
  type FakeBlobStore,
  type FakeEventLog,
  type FakeWarehouse,
} from "./fakes.ts";

export interface TestGateway extends AsyncDisposable {
  url: string;
  log: FakeEventLog;
  blob: FakeBlobStore;
  warehouse: FakeWarehouse;
  ready(): Promise<void>;
  drain(): Promise<void>;
  /** The file events published so far. */
  published(): FileEvent[];
  parsed(fileId: string, event?: Partial<ParseEvent>): Promise<void>;
  /** Publishes a commit with the file's outcome. */
  ended(fileId: string, outcome?: Partial<FileOutcome>, commit?: Partial<CommitEvent>): Promise<void>;
}

export const settingsOf = (env: Record<string, string> = {}): GatewaySettings =>
  z.object(gatewaySettings).parse({ TRIBUTARY_PORT: "0", ...env });

export async function testGateway(
  env: Record<string, string> = {},
  options: Partial<GatewayOptions> = {},
): Promise<TestGateway> {
  const [log, blob, warehouse] = [fakeEventLog(), fakeBlobStore(), fakeWarehouse()];
  const gateway = await startGateway({
    log,
    blob,
    warehouse,
    contracts: contractsOf([]),
    clock: systemClock,
    logger: silentLogger(),
    audit: silentLogger(),
    registry: makeRegistry("test"),
    settings: settingsOf(env),
    ...options,
  });
  const published = () =>
    log.records.filter(({ topic }) => topic === TOPICS.fileEvents.name).map(({ value }) => fileEvents.decode(value));
  return {
    ...gateway,
    log,
    blob,
    warehouse,
    published,
    async parsed(fileId, event = {}) {
      const value = parseEvents.encode({ ...parseEvent(fileId), ...event });
      await log.publish(TOPICS.parseEvents.name, [{ key: "sales", value }]);
    },
    async ended(fileId, outcome = {}, commit = {}) {
      const event = published().find((one) => one.fileId === fileId);
      const value = commitEvents.encode({
        ...commitEvent([{ ...fileOutcome(fileId), sourceFile: event?.sourceFile ?? "f.csv", ...outcome }]),
        ...commit,
      });
      await log.publish(TOPICS.commits.name, [{ key: "sales", value }]);
    },
    [Symbol.asyncDispose]: () => gateway.drain(),
  };
}

export const parseEvent = (fileId: string): ParseEvent => ({
  fileId,
  table: "sales",
  sourceOffset: 0,
  phase: "finished",
  atMs: 2_000,
  rowsRead: 3,
  rowsRejected: 1,
  dialectJson: '{"delimiter":","}',
  columnsJson: '[{"name":"id","type":"BIGINT","header":"ID"}]',
  errorCode: null,
  errorMessage: null,
  warningsJson: null,
  progressJson: null,
});

export const fileOutcome = (fileId: string): FileOutcome => ({
  fileId,
  sourceFile: "f.csv",
  sourceOffset: 0,
  status: "committed",
  rowsRead: 3,
  rowsCommitted: 2,
  rowsRejected: 1,
  sizeBytes: 10,
  contentHash: "00",
  etag: null,
  receivedAtMs: 1_000,
  parsedAtMs: 2_000,
  parseMs: 5,
  delimiter: ",",
  encoding: "utf-8",
  rowsOffset: 7,
  errorCode: null,
  errorMessage: null,
  format: "csv",
  formatOptionsJson: null,
});

export const commitEvent = (files: FileOutcome[]): CommitEvent => ({
  commitId: "c1",
  table: "sales",
  snapshotId: "s1",
  committedAtMs: 3_000,
  commitMs: 40,
  limit: "idle",
  strategy: "inline",
  rowsInserted: 2,
  rowsUpdated: 0,
  rowsDeleted: 0,
  files,
  tableFiles: null,
});
