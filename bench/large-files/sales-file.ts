import { execFileSync } from "node:child_process";
import { createReadStream } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Readable } from "node:stream";

const cli = fileURLToPath(new URL("../../bin/tributary.mjs", import.meta.url));
const CHUNK_BYTES = 1 << 20;

/** Writes a CSV file of so many sales, in place of what is there. The same seed makes the same sales. */
export function generateSales(csv: string, { rows, seed }: { rows: number; seed?: number }): void {
  const seeded = seed === undefined ? [] : ["--seed", String(seed)];
  const options = ["--rows", String(rows), ...seeded, "--out", csv, "--force"];
  execFileSync(process.execPath, [cli, "generate-sales", ...options]);
}

/** A file as the body of an upload. */
export const bodyOf = (csv: string): Readable => createReadStream(csv, { highWaterMark: CHUNK_BYTES });
