import { tableNameOf } from "../../../lib/parsing/names.ts";
import { isReservedTable } from "../../../lib/tables.ts";
import type { GatewayDeps } from "../http/deps.ts";
import { checkTableName, noSuch } from "../http/names.ts";

/**
 * Validates the name of an existing or internal table. @throws NOT_FOUND if the warehouse has no such table
 */
export async function existingTable({ warehouse, contracts }: GatewayDeps, name: string): Promise<string> {
  const known = await warehouse.tables();
  const table = name.startsWith("_") && known.includes(name) ? name : checkTableName(name, contracts);
  if (!known.includes(table)) throw noSuch("no such table", table, known);
  return table;
}

/** The tables in the warehouse, declared by a contract, or with pending files. */
export async function knownTables({ warehouse, contracts, view }: GatewayDeps): Promise<string[]> {
  const existing = (await warehouse.tables()).filter((name) => !isReservedTable(name));
  const declared = [...contracts.declared(), ...contracts.faults()].map(({ table }) => table);
  const named = declared.filter((name) => tableNameOf(name) === name);
  return [...new Set([...existing, ...named, ...view.waitingTables()])].sort();
}
