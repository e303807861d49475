import { openWarehouse, type WarehouseOptions } from "../../lib/warehouse/open.ts";
import type { Warehouse } from "../../lib/warehouse/warehouse.ts";
import type { TestIceberg } from "./rest-catalog/given.ts";
import type { TestTrino } from "./trino-server.ts";

/** The tables of the namespace with both engines. Trino of the stack has the REST catalog as `rest`. */
export const openAutoWarehouse = (
  { namespace, options }: TestIceberg,
  { url, staging }: TestTrino,
  given: WarehouseOptions = {},
): Promise<Warehouse> =>
  openWarehouse(url.replace(/\/[^/]+\/[^/]+$/, `/rest/${namespace}`), {
    trino: { staging },
    ...given,
    iceberg: { ...options, ...given.iceberg },
  });
