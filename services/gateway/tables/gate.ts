import type { z } from "zod";
import { isoTime } from "../files/status.ts";
import type { GatewayDeps } from "../http/deps.ts";
import type { gateSchema } from "../http/schemas.ts";

/** What a table's `gate: block` shows and since when it is held back; null without one. */
export async function gateOf(
  { warehouse, contracts }: GatewayDeps,
  table: string,
): Promise<z.infer<typeof gateSchema>> {
  if (contracts.of(table).gate !== "block") return null;
  const trusted = await warehouse.published(table);
  return {
    relation: `${table}_trusted`,
    trustedAsOf: isoTime(trusted?.asOfMs ?? null),
    heldBackSince: isoTime(trusted?.heldBackSinceMs ?? null),
  };
}
