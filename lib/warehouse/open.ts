import type { Clock } from "../clock.ts";
import { TributaryError } from "../errors.ts";
import type { DuckDbOptions } from "./duckdb/duckdb-warehouse.ts";
import type { IcebergOptions } from "./iceberg/iceberg-warehouse.ts";
import type { TrinoOptions } from "./trino/trino-warehouse.ts";
import type { Warehouse } from "./warehouse.ts";

export interface WarehouseOptions {
  clock?: Clock;
  duckdb?: Omit<DuckDbOptions, "clock">;
  trino?: Omit<TrinoOptions, "clock">;
  iceberg?: Omit<IcebergOptions, "clock">;
}

/**
 * Opens the warehouse that the URL names, and loads the code of that adapter only.
 * @throws URL_SCHEME_UNKNOWN
 */
export async function openWarehouse(url: string, options: WarehouseOptions = {}): Promise<Warehouse> {
  const clock = options.clock ? { clock: options.clock } : {};
  if (url.startsWith("duckdb:")) {
    const { openDuckDb } = await import("./duckdb/duckdb-warehouse.ts");
    return openDuckDb(url, { ...options.duckdb, ...clock });
  }
  if (/^trino(\+https)?:/.test(url)) {
    const { openTrino } = await import("./trino/trino-warehouse.ts");
    return openTrino(url, { ...options.trino, ...clock });
  }
  if (url.startsWith("iceberg:")) {
    const { openIceberg } = await import("./iceberg/iceberg-warehouse.ts");
    return openIceberg(url, { ...options.iceberg, ...clock });
  }
  throw new TributaryError(
    "URL_SCHEME_UNKNOWN",
    `'${url}': a warehouse is duckdb:<file>, duckdb::memory:, trino://… or iceberg:https://…`,
  );
}
