import type { Clock } from "../../../clock.ts";
import type { TrinoClient } from "../client/client.ts";
import type { TrinoTables } from "../tables.ts";
import type { BaseSnapshots } from "./base-snapshots.ts";
import type { RecordedOffsets } from "./recorded-offsets.ts";
import type { StageTables } from "./stage-tables.ts";
import type { StageShared } from "./stage.ts";

/** State that the commits, ledger writes and maintenance of one Trino warehouse share. */
export interface CommitContext {
  client: TrinoClient;
  clock: Clock;
  tables: TrinoTables;
  baseSnapshots: BaseSnapshots;
  staging: StageShared;
  stageTables: StageTables;
  /** Minimum rows for add files. A commit does not add a file with fewer rows. */
  adoptRowsMin: number;
  /** Returns a key prefix that no other call returns. */
  newPrefix(table: string): string;
  recordedOffsets: RecordedOffsets;
  /** Maximum parts of a table in one optimize step, for tables whose limit is below the default. */
  slicePartsMax: Map<string, number>;
  /** Runs the work in the background. A failure only causes a warning. */
  runInBackground(work: Promise<unknown>): void;
}
