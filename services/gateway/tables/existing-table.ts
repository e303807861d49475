import { TributaryError } from "../../../lib/errors.ts";
import type { GatewayDeps } from "../http/deps.ts";
import { checkTableName } from "../http/names.ts";

/**
 * Validates the name of an existing or internal table. @throws NOT_FOUND if the warehouse has no such table
 */
export async function existingTable({ warehouse, contracts }: GatewayDeps, name: string): Promise<string> {
  const known = await warehouse.tables();
  const table = name.startsWith("_") && known.includes(name) ? name : checkTableName(name, contracts);
  if (!known.includes(table)) throw new TributaryError("NOT_FOUND", `no such table: '${table}'`);
  return table;
}
