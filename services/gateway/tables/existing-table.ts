import { TributaryError } from "../../../lib/errors.ts";
import type { GatewayDeps } from "../http/deps.ts";
import { checkTableName } from "../http/names.ts";

/** @throws NOT_FOUND if the warehouse has no such table */
export async function existingTable({ warehouse, contracts }: GatewayDeps, name: string): Promise<string> {
  const known = await warehouse.tables();
  const table = name.startsWith("_") && known.includes(name) ? name : checkTableName(name, contracts);
  if (!known.includes(table)) throw new TributaryError("NOT_FOUND", `no table '${table}'`);
  return table;
}
