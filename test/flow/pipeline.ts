/**
 * Runs all services except the scheduler in this process, on the embedded adapters, with access to their
 * parts.
 */
import { z } from "zod";
import type { BlobStore } from "../../lib/blob/blob-store.ts";
import { openBlobStore } from "../../lib/blob/open.ts";
import { systemClock } from "../../lib/clock.ts";
import { contractSchema, type Contracts } from "../../lib/contract/contract.ts";
import { contractsOf } from "../../lib/contract/load.ts";
import type { EventLog } from "../../lib/event-log/event-log.ts";
import { withEpochs } from "../../lib/event-log/recreation/epochs.ts";
import { openEventLog, type OpenEventLogOptions } from "../../lib/event-log/open.ts";
import { silentLogger } from "../../lib/process/logger.ts";
import { Registry } from "../../lib/process/metrics.ts";
import { openWarehouse } from "../../lib/warehouse/open.ts";
import type { Warehouse } from "../../lib/warehouse/warehouse.ts";
import type { CommitterSettings } from "../../services/committer/config.ts";
import { startCommitter } from "../../services/committer/service.ts";
import { gatewaySettings } from "../../services/gateway/config.ts";
import { startGateway } from "../../services/gateway/service.ts";
import { parserConfig, parserSettings } from "../../services/parser/config.ts";
import { startParser } from "../../services/parser/service.ts";
import type { WorkerPool } from "../../lib/parsing/workers/worker-pool.ts";
import { SETTINGS } from "../services/committer/harness.ts";

export interface PipelineOptions {
  contracts?: readonly object[];
  /** Environment of the gateway. */
  env?: Record<string, string>;
  pool?: WorkerPool;
  committer?: Partial<CommitterSettings>;
  /** Options of the event log. */
  embeddedLog?: Pick<OpenEventLogOptions, "diskFreeBytes" | "rowsFreeBytesMin">;
  /** Also watch the folder `drops`. */
  drops?: boolean;
  /** Wraps the log of the services. */
  wrapLog?: (log: EventLog) => EventLog;
  /** Wraps the blob store of the services. */
  wrapBlob?: (blob: BlobStore) => BlobStore;
  /** Opens the warehouse. Default: a DuckDB file in the folder. */
  openWarehouse?: () => Promise<Warehouse>;
  /** Wraps the committer's warehouse. */
  wrapWarehouse?: (warehouse: Warehouse) => Warehouse;
}

/** An error response, or a file's status. */
export type Body = Record<string, unknown> & {
  code?: string;
  detail?: string;
  status?: string | number;
  fileId?: string;
};

export type Pipeline = Awaited<ReturnType<typeof startPipeline>>;

export async function startPipeline(folder: string, options: PipelineOptions = {}) {
  const { contracts = [], env = {}, pool, drops, wrapBlob = (blob) => blob, wrapLog = (log) => log } = options;
  const { wrapWarehouse, embeddedLog } = options;
  const opened = await openEventLog(`embedded:${folder}/log`, { clock: systemClock, ...embeddedLog });
  const log = wrapLog(await withEpochs(opened));
  const blob = wrapBlob(await openBlobStore(`file:${folder}/blobs`));
  const warehouse = await (options.openWarehouse?.() ?? openWarehouse(`duckdb:${folder}/warehouse.duckdb`));
  const dropped = drops ? { drops: await openBlobStore(`file:${folder}/drops`) } : {};
  const parsed = (all: readonly object[]) => contractsOf(all.map((one) => contractSchema.parse(one)));
  let declared = parsed(contracts);
  const inForce: Contracts = {
    of: (table) => declared.of(table),
    declared: () => declared.declared(),
    faults: () => declared.faults(),
  };
  const shared = { log, blob, warehouse, contracts: inForce, clock: systemClock, logger: silentLogger() };
  const registries = { parser: new Registry(), committer: new Registry(), gateway: new Registry() };
  const committer = await startCommitter({
    ...shared,
    warehouse: wrapWarehouse?.(warehouse) ?? warehouse,
    ...(pool ? { pool } : {}),
    registry: registries.committer,
    settings: { ...SETTINGS, ...options.committer },
  });
  const parser = await startParser({
    ...shared,
    registry: registries.parser,
    settings: { ...parserSettings(parserConfig.parse({})), workers: 1 },
    ...(pool ? { pool } : {}),
  });
  const settings = z.object(gatewaySettings).parse({ TRIBUTARY_PORT: "0", TRIBUTARY_DISK_FREE_MIN: "1MB", ...env });
  const gateway = await startGateway({ ...shared, ...dropped, registry: registries.gateway, settings });
  const send = async (method: string, path: string, body?: string | Buffer | object) => {
    const json = typeof body === "object" && !Buffer.isBuffer(body);
    const response = await fetch(gateway.url + path, {
      method,
      ...(body === undefined ? {} : { body: json ? JSON.stringify(body) : body }),
      ...(json ? { headers: { "content-type": "application/json" } } : {}),
    });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json");
    return { status: response.status, headers: response.headers, text, body: (isJson ? JSON.parse(text) : {}) as Body };
  };
  return {
    gateway,
    log,
    warehouse,
    registries,
    send,
    /** Puts other contracts in force. */
    declare: (all: readonly object[]): void => void (declared = parsed(all)),
    /** Uploads and waits until the file has ended. */
    put: (table: string, file: string, body: string | Buffer) =>
      send("PUT", `/v1/tables/${table}/files/${encodeURIComponent(file)}?wait=committed&timeout=60s`, body),
    query: async (sql: string) => (await warehouse.query(sql, { rowsMax: 10_000, timeoutMs: 10_000 })).rows,
    async stop() {
      for (const service of [gateway, parser, committer]) await service.drain();
      for (const port of [log, blob, warehouse, ...Object.values(dropped)]) await port.close();
    },
  };
}
