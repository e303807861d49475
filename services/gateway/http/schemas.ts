import { z } from "zod";

/** What the HTTP interface says, as schemas: the types of the answers, and /openapi.json. Times are ISO 8601 in UTC. */

const time = z.string().describe("ISO 8601, UTC").meta({ example: "2026-01-31T12:00:00.123Z" });

export const fileStates = ["received", "parsing", "parsed", "committed", "rejected", "failed"] as const;
export type FileState = (typeof fileStates)[number];

/** A file in one of these goes no further. */
export const isFinal = (state: FileState): boolean =>
  state === "committed" || state === "rejected" || state === "failed";

export const columnSchema = z.object({ name: z.string(), type: z.string(), header: z.string() });

export const errorSchema = z.object({ code: z.string(), message: z.string(), remedy: z.string() });

export const fileStatusSchema = z
  .object({
    fileId: z.string(),
    table: z.string(),
    sourceFile: z.string().describe("name of the file within its table"),
    status: z.enum(fileStates).describe("committed: its rows can be queried"),
    kind: z.enum(["put", "deleted"]),
    origin: z.enum(["upload", "drop", "replay"]).nullable().describe("null: no longer known"),
    replayOf: z.string().nullable(),
    sizeBytes: z.number(),
    contentHash: z.string().describe("SHA-256 of the stored bytes"),
    etag: z.string().nullable(),
    sourceOffset: z.number().nullable().describe("version of the file's rows: _source_offset"),
    rowsOffset: z.number().nullable(),
    rowsRead: z.number().nullable(),
    rowsCommitted: z.number().nullable(),
    rowsRejected: z.number().nullable().describe("rowsRead = rowsCommitted + rowsRejected once it is committed"),
    dialect: z.record(z.string(), z.unknown()).nullable(),
    encoding: z.string().nullable(),
    columns: z.array(columnSchema).nullable(),
    receivedAt: time.nullable(),
    parseStartedAt: time.nullable(),
    parsedAt: time.nullable(),
    committedAt: time.nullable(),
    durations: z
      .object({
        queuedMs: z.number().nullable().describe("received until its parse began"),
        parseMs: z.number().nullable(),
        commitMs: z.number().nullable().describe("the table commit that its rows were part of"),
        totalMs: z.number().nullable().describe("received until queryable"),
      })
      .describe("milliseconds"),
    commit: z.object({ commitId: z.string(), snapshotId: z.string().nullable(), strategy: z.string() }).nullable(),
    error: errorSchema.nullable(),
    links: z.object({ self: z.string(), table: z.string(), rejects: z.string() }),
  })
  .meta({ id: "File", description: "A file version on its way into its table" });
export type FileStatus = z.infer<typeof fileStatusSchema>;

export const fileListSchema = z.object({
  files: z.array(fileStatusSchema).describe("newest first"),
  nextCursor: z.string().nullable().describe("pass as `cursor` for the next page; null: there is none"),
});

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number(),
    code: z.string().describe("one of docs/errors.md"),
    detail: z.string(),
    remedy: z.string(),
    instance: z.string(),
    errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
    file: fileStatusSchema.optional(),
  })
  .meta({ id: "Problem", description: "RFC 9457 problem details: what happened, and what to do about it" });
export type Problem = z.infer<typeof problemSchema>;

export const uploadResultSchema = z.object({
  name: z.string(),
  file: fileStatusSchema.optional(),
  problem: problemSchema.optional(),
});
export const uploadResultsSchema = z.object({ results: z.array(uploadResultSchema) });

export const tableSummarySchema = z.object({
  table: z.string(),
  declared: z.boolean().describe("it has a contract"),
  exists: z.boolean().describe("it is in the warehouse"),
  lastCommitAt: time.nullable(),
  lag: z
    .object({
      files: z.number().describe("received and not yet ended"),
      oldestSeconds: z.number().describe("age of the oldest of them"),
    })
    .describe("what is still on its way into the table"),
  links: z.object({ self: z.string(), files: z.string(), rejects: z.string() }),
});
export type TableSummary = z.infer<typeof tableSummarySchema>;
export const tableListSchema = z.object({ tables: z.array(tableSummarySchema) });

export const gateSchema = z
  .object({
    relation: z.string().describe("shows the table as it was when its checks last passed"),
    trustedAsOf: time.nullable().describe("when that was; null: never, it is empty"),
    heldBackSince: time.nullable().describe("since when checks have not passed; null: they passed when they last ran"),
  })
  .nullable()
  .describe("null: the contract does not say gate: block");

export const tableSchema = tableSummarySchema.extend({
  columns: z.array(columnSchema).nullable().describe("null: no file has come yet; audit columns not included"),
  partitioning: z.array(z.string()),
  rowCount: z.number().nullable(),
  freshness: z.object({
    lastIngestedAt: z.string().nullable().describe("highest _ingested_at"),
    lastCommitAt: time.nullable(),
    lastIngestionDate: z.string().nullable().describe("highest ingestion_date, where the table has that column"),
  }),
  gate: gateSchema,
  contract: z.record(z.string(), z.unknown()).describe("as declared, defaults filled in"),
});

export const queryResultSchema = z.object({
  columns: z.array(z.object({ name: z.string(), type: z.string() })),
  rows: z
    .array(z.array(z.unknown()))
    .describe("BIGINT beyond 2^53 and DECIMAL as strings, dates and timestamps as ISO text"),
  truncated: z.boolean(),
});

const shownValue = z.union([z.string(), z.number(), z.boolean(), z.null()]);

export const previewSchema = z
  .object({
    format: z.string().nullable().describe("null: the file has no supported format"),
    dialect: z
      .looseObject({ encoding: z.string(), confidence: z.number().describe("0 to 1; 1: certain, or declared") })
      .nullable()
      .describe("the format's options; of csv: delimiter, quote, escape and header. null: the file is not text"),
    columns: z.array(columnSchema.extend({ samples: z.array(shownValue) })),
    diff: z
      .object({
        added: z.array(z.object({ name: z.string(), type: z.string() })),
        widened: z.array(z.object({ name: z.string(), from: z.string(), to: z.string() })),
        missing: z.array(z.string()).describe("the table has them, the file does not: NULL"),
        conflicting: z.array(
          z.object({ name: z.string(), type: z.string(), rejects: z.number(), example: z.string() }),
        ),
      })
      .describe("what the file would do to its table"),
    rows: z.array(z.array(shownValue)),
    rejects: z.array(
      z.object({
        row: z.number(),
        line: z.number(),
        column: z.string().nullable(),
        reason: z.string(),
        message: z.string(),
        raw: z.string(),
      }),
    ),
    rowsRead: z.number(),
    rowsAccepted: z.number(),
    rowsRejected: z.number(),
    complete: z.boolean().describe("the whole file was looked at"),
    textBytes: z.number().describe("how much of its text was"),
    error: errorSchema.nullable().describe("why the file as a whole would fail"),
  })
  .meta({ id: "Preview" });

export const rejectSchema = z.object({
  fileId: z.string(),
  sourceFile: z.string(),
  sourceOffset: z.number(),
  row: z.number().describe("ordinal in the file, from 1, header not counted"),
  line: z.number().describe("line in the file on which the row begins"),
  column: z.string().nullable().describe("null: the whole row is at fault"),
  reason: z.string(),
  message: z.string(),
  raw: z.string().describe("the row's text as it stood in the file"),
  rejectedAt: z.string(),
  context: z
    .object({
      header: z.string().nullable().describe("the file's first line"),
      lines: z.array(z.object({ line: z.number(), text: z.string() })).describe("the lines around, the row's own too"),
    })
    .nullable()
    .optional()
    .describe("with `context`; null: the raw file is gone, or cannot be read any more"),
});

export const rejectCountSchema = z.object({
  sourceFile: z.string(),
  reason: z.string(),
  column: z.string().nullable(),
  rows: z.number(),
});
export const rejectCountsSchema = z.object({
  total: z.number(),
  groups: z.array(rejectCountSchema).describe("by file, reason and column, most rows first"),
  truncated: z.boolean().describe("there are more groups; `total` counts those shown"),
});

export const correctionSchema = z
  .object({
    table: z.string(),
    sourceFile: z.string(),
    corrects: z.string().describe("id of the version that is corrected"),
    dryRun: z.boolean(),
    rowsCorrected: z.number().describe("rows that the new version has as sent"),
    rowsUnchanged: z.number().describe("rows sent as they had been exported: they stay as they are, and rejected"),
    rowsLeft: z.number().describe("rejected rows that were not sent"),
    file: fileStatusSchema.nullable().describe("the new version; null in a dry run"),
  })
  .meta({ id: "Correction" });

export const rejectListSchema = z.object({
  rejects: z.array(rejectSchema).describe("newest file first, then by row"),
  nextCursor: z.string().nullable(),
});
