/**
 * A committer that kill.test.ts kills: it writes numbered batches to its tables, each from what is on record on, and
 * prints each batch that it has recorded. The first argument is a `Committing` as JSON.
 */
import { openBlobStore } from "../../../../../lib/blob/open.ts";
import type { S3Options } from "../../../../../lib/blob/s3/s3-store.ts";
import { systemClock } from "../../../../../lib/clock.ts";
import { isRetryable } from "../../../../../lib/errors.ts";
import { retry } from "../../../../../lib/retry.ts";
import type { IcebergOptions } from "../../../../../lib/warehouse/iceberg/iceberg-warehouse.ts";
import { openWarehouse } from "../../../../../lib/warehouse/open.ts";
import type { TableLayout } from "../../../../../lib/warehouse/warehouse.ts";
import { columns, reject, type Row } from "../../../../support/rows.ts";
import { TestTable } from "../../../../support/test-table.ts";

export interface Committing {
  url: string;
  catalog: IcebergOptions["catalog"];
  s3: S3Options;
  extensionsFolder: string;
  layouts: readonly TableLayout[];
  /** The last batch. */
  last: number;
}

export const COLUMNS = columns({ id: "BIGINT", batch: "BIGINT" });
export const FILES = 3;

/** Batch n: two keys of its own, and one of the batch before. */
export const rowsOf = (n: number): Row[] => [n * 2, n * 2 + 1, n * 2 - 1].map((id) => ({ id, batch: n }));
/** Batch n of `REWRITTEN`: it changes every row, so the table is rewritten. */
export const allRowsOf = (n: number): Row[] => Array.from({ length: REWRITE_ROWS }, (_, id) => ({ id, batch: n }));
export const REWRITTEN = "killed_rewrite";
/** More than rowsOf has: the other tables are merged. */
const REWRITE_ROWS = 8;
export const fileOf = (n: number): string => `f${n % FILES}`;

async function commitAll({ url, catalog, s3, extensionsFolder, layouts, last }: Committing): Promise<void> {
  const openBucket = (bucket: string) => openBlobStore(bucket, { s3 });
  const iceberg = { ...(catalog ? { catalog } : {}), s3, extensionsFolder, openBucket, rewriteRowsMin: REWRITE_ROWS };
  const warehouse = await openWarehouse(url, { iceberg });
  await Promise.all(
    layouts.map(async (layout) => {
      const table = new TestTable(warehouse, COLUMNS, layout);
      for (let n = ((await warehouse.watermark(table.name)) ?? 0) + 1; n <= last; n++) {
        const rows = layout.table === REWRITTEN ? allRowsOf(n) : rowsOf(n);
        const sent = { sourceFile: fileOf(n), sourceOffset: n, rows, rejects: [reject(4)] };
        const attempts = { attemptsMax: 5, backoffMsMin: 50, backoffMsMax: 500, retryable: isRetryable };
        await retry(systemClock, attempts, () => table.ingest(sent));
        process.stdout.write(`${layout.table} ${n}\n`);
      }
    }),
  );
  await warehouse.close();
}

const [, , argument] = process.argv;
if (argument !== undefined && import.meta.filename === process.argv[1])
  await commitAll(JSON.parse(argument) as Committing);
