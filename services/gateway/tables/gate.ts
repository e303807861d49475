import type { z } from "zod";
import { publishedOf, tableId } from "../../../lib/tables.ts";
import { hasCode, messageOf } from "../../../lib/errors.ts";
import { isoTime } from "../files/status.ts";
import type { GatewayDeps } from "../http/deps.ts";
import type { gateSchema } from "../http/schemas.ts";

/** The state of a table's `gate: block`: what its published view shows. Null for a table without a gate. */
export async function gateOf(
  { warehouse, contracts }: GatewayDeps,
  table: string,
): Promise<z.infer<typeof gateSchema>> {
  if (contracts.declared().find((contract) => contract.table === table)?.gate !== "block") return null;
  const relation = publishedOf(tableId(table)).name;
  try {
    const published = await warehouse.published(table);
    return {
      relation,
      trustedAsOf: isoTime(published?.asOfMs ?? null),
      heldBackSince: isoTime(published?.heldBackSinceMs ?? null),
      problem: null,
    };
  } catch (thrown) {
    if (!hasCode(thrown, "TRUSTED_NAME_TAKEN")) throw thrown;
    return { relation, trustedAsOf: null, heldBackSince: null, problem: messageOf(thrown) };
  }
}
