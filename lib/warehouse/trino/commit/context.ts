import type { Clock } from "../../../clock.ts";
import type { TrinoClient } from "../client/client.ts";
import type { TrinoTables } from "../tables.ts";
import type { BaseSnapshots } from "./base-snapshots.ts";
import type { RecordedOffsets } from "./recorded-offsets.ts";
import type { StageTables } from "./stage-tables.ts";
import type { StageShared } from "./stage.ts";

/** What the steps of commits, ledger writes and maintenance of one Trino warehouse share. */
export interface CommitContext {
  client: TrinoClient;
  clock: Clock;
  tables: TrinoTables;
  baseSnapshots: BaseSnapshots;
  staging: StageShared;
  stageTables: StageTables;
  /** Files of fewer rows are not adopted. */
  adoptRowsMin: number;
  /** A key prefix that no other call returned. */
  newPrefix(table: string): string;
  recordedOffsets: RecordedOffsets;
  /** How many parts of a table one step of its optimize may take, where fewer than usual. */
  slicePartsMax: Map<string, number>;
  /** Goes on beside everything else; failures are only told. */
  runInBackground(work: Promise<unknown>): void;
}
