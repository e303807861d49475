import { z } from "zod";
import { TributaryError } from "../errors.ts";

/**
 * Reads settings from environment-like text values by a zod schema whose keys are the variable names. Frozen.
 * @throws CONFIG_INVALID naming every fault at once. Empty values count as absent.
 */
export function readConfig<Schema extends z.ZodType>(
  schema: Schema,
  env: Readonly<Record<string, string | undefined>>,
): z.infer<Schema> {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ""));
  const parsed = schema.safeParse(given);
  if (parsed.success) return Object.freeze(parsed.data) as z.infer<Schema>;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new TributaryError("CONFIG_INVALID", `settings have faults:\n  ${faults.join("\n  ")}`);
}

/** "30s", "5m", "250ms", "2h", "7d" or bare milliseconds → milliseconds. */
export const duration = z.string().transform((text, context): number => {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/.exec(text.trim());
  if (!match) {
    context.addIssue(`'${text}' is no duration: write 250ms, 30s, 5m, 2h or 7d`);
    return z.NEVER;
  }
  return Math.round(Number(match[1]) * { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] ?? "ms"]!);
});

/** "64MB", "512KiB", "2GB" or bare bytes → bytes (K = 1024). */
export const byteSize = z.string().transform((text, context): number => {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  if (!match) {
    context.addIssue(`'${text}' is no size: write 512KB, 64MB or 2GB`);
    return z.NEVER;
  }
  return Math.round(Number(match[1]) * 1024 ** " KMGT".indexOf(match[2]?.toUpperCase() || " "));
});

export const port = z.coerce.number().int().min(0).max(65535);
export const count = z.coerce.number().int().min(1);
export const flag = z.enum(["true", "false", "1", "0"]).transform((text) => text === "true" || text === "1");
