import type { z } from "zod";
import type {
  ReadLimits,
  RejectCount,
  RejectFilter,
  RejectGroup,
  RejectOfFile,
  RejectPlace,
} from "../../../lib/warehouse/reads/port.ts";
import type { Warehouse } from "../../../lib/warehouse/warehouse.ts";
import { isoTime } from "../files/status.ts";
import type { rejectSchema } from "../http/schemas.ts";

/** Rejected rows and the file versions that they belong to, from the warehouse. */
export interface RejectLedger {
  /** See RejectRecords.list. */
  list(
    filter: RejectFilter,
    page: { after?: RejectPlace | undefined; limit: number; rawCharsMax?: number },
  ): Promise<RejectedRow[]>;
  /** Most rows first; at most COUNTED_GROUPS_MAX groups. */
  counts(filter: RejectFilter): Promise<RejectCount[]>;
  /** Most rows first; at most COUNTED_GROUPS_MAX groups. */
  groups(filter: RejectFilter): Promise<RejectGroup[]>;
  /**
   * The first `limit` rejected rows of a file version, by row number, ascending; without raw text, which may
   * be long.
   */
  ofFile(fileId: string, limit: number): Promise<Map<number, RejectOfFile>>;
  /** Ids of file versions with rejects: current versions only, or all. */
  files(table: string, options: { file?: string | undefined; all: boolean }): Promise<Set<string>>;
  /** How a file version was read; undefined if it is not recorded. */
  version(fileId: string): Promise<ReadVersion | undefined>;
  /** See Ledger. */
  setAside(table: string): Promise<Set<string>>;
}

export type RejectedRow = z.infer<typeof rejectSchema>;
export interface ReadVersion {
  table: string;
  sourceFile: string;
  sourceOffset: number;
  versionOffset: number;
  contentOffset: number;
  status: string;
  contentHash: string;
  delimiter: string;
  encoding: string;
  rowsRead: number;
  rowsRejected: number;
}

/** `limits` apply to each lookup. */
export function makeRejectLedger({ reads }: Pick<Warehouse, "reads">, limits: ReadLimits): RejectLedger {
  return {
    async list(filter, page) {
      const records = await reads.rejects.list(filter, page, limits);
      return records.map(({ rejectedAtMs, dismissal, ...reject }) => ({
        ...reject,
        rejectedAt: isoTime(rejectedAtMs) ?? "",
        ...(dismissal
          ? { dismissal: { why: dismissal.why, by: dismissal.by, at: isoTime(dismissal.atMs) ?? "" } }
          : {}),
      }));
    },
    counts: (filter) => reads.rejects.counts(filter, limits),
    groups: (filter) => reads.rejects.groups(filter, limits),
    ofFile: (fileId, limit) => reads.rejects.ofFile(fileId, limit, limits),
    setAside: (table) => reads.files.setAside(table, limits),
    files: (table, which) => reads.rejects.files(table, which, limits),
    async version(fileId) {
      const record = await reads.files.find(fileId, limits);
      if (!record) return undefined;
      const { table, sourceFile, status } = record;
      return {
        ...{ table, sourceFile, status },
        sourceOffset: Number(record.sourceOffset),
        versionOffset: record.versionOffset ?? Number(record.sourceOffset),
        contentOffset: record.contentOffset ?? Number(record.sourceOffset),
        contentHash: record.contentHash ?? "",
        delimiter: record.delimiter ?? "",
        encoding: record.encoding ?? "",
        rowsRead: Number(record.rowsRead),
        rowsRejected: Number(record.rowsRejected),
      };
    },
  };
}
