import { z } from "zod";
import { HELD_REASONS } from "../../../lib/contract/held.ts";
import { PROGRESS_STEPS } from "../../../lib/messages/progress.ts";

/** Response schemas of the HTTP API, for types and for /openapi.json. Times are ISO 8601 in UTC. */

const time = z.string().describe("ISO 8601, UTC").meta({ example: "2026-01-31T12:00:00.123Z" });

export const fileStates = [
  "received",
  "parsing",
  "parsed",
  "blocked",
  "committed",
  "held",
  "rejected",
  "failed",
] as const;
export type FileState = (typeof fileStates)[number];

/** Whether a file's state is final. A held file stays so until somebody decides. */
export const isFinal = (state: FileState): boolean =>
  state === "committed" || state === "held" || state === "rejected" || state === "failed";

export const columnSchema = z.object({ name: z.string(), type: z.string(), header: z.string() });

export const errorSchema = z.object({ code: z.string(), message: z.string(), remedy: z.string() });

export const blockSchema = z
  .object({
    step: z.string().describe("what keeps failing: commit, record, open …"),
    error: errorSchema,
    attempts: z.number().describe("failed attempts in a row"),
    since: time,
    nextTryAt: time,
    files: z.array(z.string()).describe("ids of the files of the failing commit"),
  })
  .meta({ id: "Block", description: "Why a table takes no rows. It is tried again until the cause is removed" });
export type BlockStatus = z.infer<typeof blockSchema>;

const progressSchema = z
  .object({
    step: z
      .enum(PROGRESS_STEPS)
      .describe(
        "parse: reads one file; load: loads its rows; commit: the rows go into the table; of a rebuild, types: finds the types of all columns, rows: loads the rows, " +
          "replace: the new table takes its place",
      ),
    filesDone: z.number().describe("file versions that this step has read"),
    filesTotal: z.number(),
    bytesDone: z.number().describe("bytes that this step has read, as they are stored"),
    bytesTotal: z.number(),
    rowsDone: z.number().describe("rows that this step has read"),
    rowsTotal: z.number().optional().describe("absent: not known before the step ends"),
  })
  .meta({ id: "Progress" });

const heldReasonSchema = z.object({
  reason: z.enum(HELD_REASONS),
  evidence: z.string(),
  remedy: z.string().describe("what to do about it, before the file is accepted or refused"),
});

export const fileStatusSchema = z
  .object({
    fileId: z.string(),
    table: z.string(),
    sourceFile: z.string().describe("name of the file within its table"),
    status: z
      .enum(fileStates)
      .describe(
        "committed: its rows can be queried; blocked: its table's commits keep failing, see `blocked`; held: it waits for a decision, see `heldReasons`",
      ),
    heldReasons: z.array(heldReasonSchema).nullable().describe("why the file is held: set while its status is held"),
    kind: z.enum(["put", "deleted"]),
    operation: z
      .enum(["undo", "drop", "rebuild", "rename"])
      .nullable()
      .describe("what was asked of the table, in the order of its files; null: it is about a file"),
    progress: progressSchema
      .nullable()
      .describe("how far it is, about once a second: from the second second of a parse or load on, or rebuilt"),
    waitsFor: z
      .object({
        fileId: z.string(),
        sourceFile: z.string(),
        progress: progressSchema,
      })
      .nullable()
      .describe("the file of the same table that it waits behind, if that one takes longer than a second"),
    origin: z.enum(["upload", "drop", "replay"]).nullable().describe("null: unknown, its file event is no longer kept"),
    replayOf: z.string().nullable(),
    sizeBytes: z.number(),
    contentHash: z.string().describe("SHA-256 of the stored bytes"),
    etag: z.string().nullable(),
    sourceOffset: z.number().nullable().describe("version of the file's rows: _source_offset"),
    rowsOffset: z.number().nullable(),
    rowsRead: z.number().nullable(),
    rowsCommitted: z.number().nullable(),
    rowsRejected: z.number().nullable().describe("rowsRead = rowsCommitted + rowsRejected once it is committed"),
    warnings: z
      .array(z.object({ rule: z.string(), rows: z.number(), line: z.number(), message: z.string() }))
      .describe(
        "rules of the contract that loaded rows break, with the first such line. With rows 0 about the whole file: rule no_rows (it has no row), footer (last rows are left out), rounded (a column loses digits), or the doubt in spite of which it is loaded (a reason to hold it)",
      ),
    dialect: z.record(z.string(), z.unknown()).nullable(),
    encoding: z.string().nullable(),
    columns: z.array(columnSchema).nullable(),
    receivedAt: time.nullable(),
    parseStartedAt: time.nullable(),
    parsedAt: time.nullable(),
    committedAt: time.nullable(),
    durations: z
      .object({
        queuedMs: z.number().nullable().describe("from its receipt until its parse began"),
        parseMs: z.number().nullable(),
        commitMs: z.number().nullable().describe("duration of the table commit that contained its rows"),
        totalMs: z.number().nullable().describe("from its receipt until queryable"),
      })
      .describe("milliseconds"),
    commit: z.object({ commitId: z.string(), snapshotId: z.string().nullable(), strategy: z.string() }).nullable(),
    error: errorSchema.nullable().describe("why it failed; while it is parsing: why its last attempt failed"),
    blocked: blockSchema.nullable().describe("set while its status is blocked"),
    links: z.object({ self: z.string(), table: z.string(), rejects: z.string() }),
    repeated: z
      .literal(true)
      .optional()
      .describe("answer to an upload: this content was there already, so this is the version that has it"),
    newer: z
      .object({ fileId: z.string(), status: z.enum(fileStates) })
      .optional()
      .describe("with `repeated`: the file has this newer version or correction"),
  })
  .meta({ id: "File", description: "A file version on its way into its table" });
export type FileStatus = z.infer<typeof fileStatusSchema>;

export const fileListSchema = z.object({
  files: z.array(fileStatusSchema).describe("newest first"),
  nextCursor: z.string().nullable().describe("pass as `cursor` for the next page; null: last page"),
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
  .meta({ id: "Problem", description: "RFC 9457 problem details: what is wrong, and the remedy" });
export type Problem = z.infer<typeof problemSchema>;

export const uploadResultSchema = z.object({
  name: z.string(),
  file: fileStatusSchema.optional(),
  problem: problemSchema.optional(),
});
export const uploadResultsSchema = z.object({ results: z.array(uploadResultSchema) });

export const contractFaultSchema = z
  .object({
    path: z.string(),
    faults: z.array(z.string()),
    inForce: z.boolean().describe("true: the contract as it was stays in force; false: the table accepts no files"),
  })
  .nullable()
  .describe("why the table's contract file is not in force as it is now; null: it is");

export const tableSummarySchema = z.object({
  table: z.string(),
  declared: z.boolean().describe("has a contract"),
  contractFault: contractFaultSchema,
  exists: z.boolean().describe("exists in the warehouse"),
  lastCommitAt: time.nullable(),
  lag: z
    .object({
      files: z.number().describe("files received and not yet in a final state"),
      oldestSeconds: z.number().describe("age of the oldest of these files"),
    })
    .describe("files not yet in the table"),
  blocked: blockSchema.nullable().describe("set while the table's commits keep failing"),
  links: z.object({ self: z.string(), files: z.string(), rejects: z.string() }),
});
export type TableSummary = z.infer<typeof tableSummarySchema>;
export const tableListSchema = z.object({ tables: z.array(tableSummarySchema) });

export const gateSchema = z
  .object({
    relation: z.string().describe("view of the table as of its last passed checks"),
    trustedAsOf: time.nullable().describe("time of the last passed checks; null: never, the view is empty"),
    heldBackSince: time.nullable().describe("since when checks have failed; null: the last run passed"),
    problem: z.string().nullable().describe("set if the view cannot be made: its name is taken"),
  })
  .nullable()
  .describe("null: the contract does not set gate: block");

export const tableSchema = tableSummarySchema.extend({
  rebuild: z
    .object({
      fileId: z.string().describe("see /v1/files/{fileId}"),
      askedAt: time.nullable(),
      progress: progressSchema.nullable().describe("null: it waits for the files before it"),
    })
    .nullable()
    .describe("set while a rebuild of the table waits or runs"),
  columns: z.array(columnSchema).nullable().describe("null: no file yet; without audit columns"),
  partitioning: z.array(z.string()),
  rowCount: z.number().nullable(),
  freshness: z.object({
    lastIngestedAt: z.string().nullable().describe("highest _ingested_at"),
    lastCommitAt: time.nullable(),
    lastIngestionDate: z.string().nullable().describe("highest ingestion_date; null without that column"),
  }),
  gate: gateSchema,
  contract: z
    .record(z.string(), z.unknown())
    .describe("the contract in force, with defaults; only `table` if none is, because the file is faulty"),
});

export const queryResultSchema = z.object({
  columns: z.array(z.object({ name: z.string(), type: z.string() })),
  rows: z
    .array(z.array(z.unknown()))
    .describe("BIGINT beyond 2^53 and DECIMAL as strings, dates and timestamps as ISO 8601 text"),
  truncated: z.boolean(),
});

const shownValue = z.union([z.string(), z.number(), z.boolean(), z.null()]);

const contractPatch = z
  .object({ nullMarkers: z.array(z.string()).optional(), columns: z.array(z.unknown()).optional() })
  .describe("fields of a contract");

export const previewSchema = z
  .object({
    format: z.string().nullable().describe("null: the file has no supported format"),
    dialect: z
      .looseObject({ encoding: z.string(), confidence: z.number().describe("0 to 1; 1: certain, or declared") })
      .nullable()
      .describe("the format's options; of csv: delimiter, quote, escape and header. null: the file is not text"),
    doubts: z
      .array(heldReasonSchema)
      .describe("why the file may be held: what was found in it, and what the table's contract says about it"),
    unchecked: z
      .array(z.string())
      .describe(
        "what was not checked: settings of the contract's `accept` that need the whole file or its record; if only the " +
          "beginning was read, also `footer` (lines below the table) and `types` (values further down)",
      ),
    columns: z.array(columnSchema.extend({ samples: z.array(shownValue) })),
    untyped: z
      .array(z.object({ name: z.string(), header: z.string() }))
      .describe("new columns without a value: the table gets them with the first file that has one"),
    diff: z
      .object({
        added: z.array(z.object({ name: z.string(), type: z.string() })),
        widened: z.array(z.object({ name: z.string(), from: z.string(), to: z.string() })),
        missing: z.array(z.string()).describe("columns of the table that the file lacks; they become NULL"),
        conflicting: z
          .array(z.object({ name: z.string(), type: z.string(), rejects: z.number(), example: z.string() }))
          .describe("columns with rejected values, or of a type that the table cannot take: then the file would fail"),
      })
      .describe("changes that the file would make to its table"),
    renamed: z
      .array(z.object({ name: z.string(), header: z.string(), former: z.string() }))
      .describe("new columns that look like a column that the file lacks; give that column the header or rename"),
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
    notes: z.array(z.string()).describe("what is loaded otherwise than it is written, e.g. digits that are rounded"),
    proposals: z
      .array(
        z.object({
          kind: z.enum(["null_markers", "number", "date", "boolean"]),
          columns: z.array(z.string()),
          text: z.string().describe("one sentence for people"),
          fits: z.number().describe("values that it reads"),
          of: z.number(),
          misfits: z.array(z.string()).describe("some values that it would reject"),
          alternatives: z.array(contractPatch).describe("readings that fit as well and mean other values"),
          patch: contractPatch,
        }),
      )
      .describe("what the table's contract could say so that more of the file is typed; nothing is applied"),
    patch: z
      .object({
        contract: contractPatch,
        yaml: z.string().describe("the same as text of a contract file"),
        columns: z.array(columnSchema).describe("the columns that the file would have"),
        rowsAccepted: z.number(),
        rowsRejected: z.number(),
        needsRebuild: z.boolean().describe("the table has such a column as text: rebuild it"),
      })
      .nullable()
      .describe("the certain proposals in one, and what would load with them"),
    rowsRead: z.number(),
    rowsAccepted: z.number(),
    rowsRejected: z.number(),
    complete: z.boolean().describe("the whole file was read"),
    textBytes: z.number().describe("bytes of text that were read"),
    error: errorSchema.nullable().describe("why the whole file would fail"),
  })
  .meta({ id: "Preview" });

export const rejectSchema = z.object({
  fileId: z.string(),
  sourceFile: z.string(),
  sourceOffset: z.number(),
  row: z.number().describe("row number in the file, from 1, without the header"),
  line: z.number().describe("line of the file where the row begins"),
  column: z.string().nullable().describe("null: the whole row is invalid"),
  reason: z.string(),
  message: z.string(),
  raw: z.string().describe("the row's text in the file"),
  rejectedAt: z.string(),
  dismissal: z
    .object({ why: z.string(), by: z.string().describe("empty: the gateway asks for no key"), at: z.string() })
    .optional()
    .describe("only with `dismissed`"),
  context: z
    .object({
      header: z.string().nullable().describe("the file's first line"),
      lines: z
        .array(z.object({ line: z.number(), text: z.string() }))
        .describe("the row's line and the lines around it"),
    })
    .nullable()
    .optional()
    .describe("only with `context`; null: the raw file is missing or unreadable"),
});

export const rejectGroupsSchema = z
  .object({
    total: z.number().describe("rows in these groups"),
    groups: z
      .array(
        z.object({
          table: z.string(),
          reason: z.string(),
          column: z.string().nullable(),
          rows: z.number(),
          files: z.number(),
          example: z.string().describe("the message of one of the rows"),
        }),
      )
      .describe("the largest first, at most 1000"),
    truncated: z.boolean().describe("there are more groups"),
  })
  .meta({ id: "RejectGroups" });

export const rejectCountSchema = z.object({
  sourceFile: z.string(),
  reason: z.string(),
  column: z.string().nullable(),
  rows: z.number(),
});
export const rejectCountsSchema = z.object({
  total: z.number(),
  groups: z.array(rejectCountSchema).describe("by file, reason and column, most rows first"),
  truncated: z.boolean().describe("more groups exist; `total` counts only these"),
});

export const correctionSchema = z
  .object({
    table: z.string(),
    sourceFile: z.string(),
    corrects: z.string().describe("file id of the corrected version"),
    dryRun: z.boolean(),
    rowsCorrected: z
      .number()
      .describe("rows replaced by the sheet's rows; in a dry run, those of them that would load"),
    rowsStillRejected: z
      .number()
      .nullable()
      .describe("changed rows that would be rejected again; null if it is not a dry run"),
    rowsUnchanged: z.number().describe("rows sent unchanged: they stay rejected"),
    rowsLeft: z.number().describe("rejected rows that the sheet lacks"),
    file: fileStatusSchema.nullable().describe("the new version; null in a dry run"),
  })
  .meta({ id: "Correction" });

export const rejectListSchema = z.object({
  rejects: z.array(rejectSchema).describe("newest file first, then by row"),
  nextCursor: z.string().nullable(),
});
