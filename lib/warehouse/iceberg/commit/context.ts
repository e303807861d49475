import type { Clock } from "../../../clock.ts";
import type { Appender } from "../append/appender.ts";
import type { Heads } from "../append/heads.ts";
import type { Buckets } from "../tables/buckets.ts";
import type { RestCatalog } from "../catalog/rest-catalog.ts";
import type { Session } from "../session.ts";
import type { IcebergTables } from "../tables/tables.ts";
import type { Bases } from "./bases.ts";

/** What the parts of the warehouse share. */
export interface IcebergContext {
  catalog: RestCatalog;
  session: Session;
  appender: Appender;
  heads: Heads;
  tables: IcebergTables;
  bases: Bases;
  buckets: Buckets;
  clock: Clock;
  namespace: readonly string[];
  /** Rows of one MERGE: an upsert of more is divided by its keys, within its transaction. */
  mergeRowsMax: number;
  /** Rows from which on an upsert may rewrite its whole table. */
  rewriteRowsMin: number;
  /** Trino's name of this catalog. */
  trinoCatalog: string;
}
