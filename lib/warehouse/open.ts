import type { Clock } from "../clock.ts";
import { TributaryError } from "../errors.ts";
import type { AutoOptions } from "./auto/auto-warehouse.ts";
import type { DuckDbOptions } from "./duckdb/duckdb-warehouse.ts";
import type { IcebergOptions } from "./iceberg/iceberg-warehouse.ts";
import type { TrinoOptions } from "./trino/trino-warehouse.ts";
import type { Warehouse } from "./warehouse.ts";

/**
 * What commits to Iceberg tables. `iceberg`: DuckDB's Iceberg writer, which needs a REST catalog. `trino`:
 * Trino's MERGE. `auto`: DuckDB's writer where there is a REST catalog, and Trino, where there is one, for
 * what that writer guards against.
 */
export type CommitEngine = "auto" | "iceberg" | "trino";

export interface WarehouseOptions {
  clock?: Clock;
  /** Default: auto. */
  engine?: CommitEngine;
  duckdb?: Omit<DuckDbOptions, "clock">;
  trino?: Omit<TrinoOptions, "clock">;
  /** With `catalog.uri`, trino:// has the tables of that REST catalog, unless the engine is trino. */
  iceberg?: Omit<IcebergOptions, "clock">;
  onFallback?: AutoOptions["onFallback"];
}

/**
 * Opens the warehouse that the URL names, and loads the code of that adapter only.
 * @throws URL_SCHEME_UNKNOWN; CONFIG_INVALID for a commit engine that the URL has no place for
 */
export async function openWarehouse(url: string, options: WarehouseOptions = {}): Promise<Warehouse> {
  const { engine = "auto" } = options;
  const clock = options.clock ? { clock: options.clock } : {};
  if (url.startsWith("duckdb:")) {
    const { openDuckDb } = await import("./duckdb/duckdb-warehouse.ts");
    return openDuckDb(url, { ...options.duckdb, ...clock });
  }
  if (/^trino(\+https)?:/.test(url)) {
    const hasCatalog = options.iceberg?.catalog?.uri !== undefined;
    if (engine === "iceberg" && !hasCatalog) throw misplaced(engine, "a REST catalog: set TRIBUTARY_REST_CATALOG_URI");
    if (engine !== "trino" && hasCatalog) return openBoth(url, { ...options, engine });
    const { openTrino } = await import("./trino/trino-warehouse.ts");
    return openTrino(url, { ...options.trino, ...clock });
  }
  if (url.startsWith("iceberg:")) {
    if (engine === "trino") throw misplaced(engine, "a Trino: name it in TRIBUTARY_WAREHOUSE_URL");
    const { openIceberg } = await import("./iceberg/iceberg-warehouse.ts");
    return openIceberg(url, { ...options.iceberg, ...clock });
  }
  throw new TributaryError(
    "URL_SCHEME_UNKNOWN",
    `'${url}': a warehouse is duckdb:<file>, duckdb::memory:, trino://… or iceberg:https://…`,
  );
}

const misplaced = (engine: CommitEngine, what: string): TributaryError =>
  new TributaryError("CONFIG_INVALID", `TRIBUTARY_COMMIT_ENGINE=${engine} needs ${what}`);

/** Opens the tables of a REST catalog with both engines. Trino's schema is the catalog's namespace. */
async function openBoth(url: string, { engine, onFallback, ...options }: WarehouseOptions): Promise<Warehouse> {
  const [{ openAuto }, { openIceberg }, { openTrino }, { targetOf }] = await Promise.all([
    import("./auto/auto-warehouse.ts"),
    import("./iceberg/iceberg-warehouse.ts"),
    import("./trino/trino-warehouse.ts"),
    import("./trino/target.ts"),
  ]);
  const clock = options.clock ? { clock: options.clock } : {};
  const { catalog, schema } = targetOf(url, options.trino?.password);
  const namespace = new URLSearchParams({ namespace: schema }).toString();
  const direct = await openIceberg(`iceberg:?${namespace}`, { ...options.iceberg, trinoCatalog: catalog, ...clock });
  // A staged file has no key that its rows decide, so it must not become a file of the table.
  const trino = () => openTrino(url, { ...options.trino, adoptRowsMin: Infinity, ...clock });
  return openAuto(direct, trino, { fallsBack: engine === "auto", onFallback });
}
