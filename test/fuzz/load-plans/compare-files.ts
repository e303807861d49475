/**
 * `node --import tsx test/fuzz/load-plans/compare-files.ts PATH…`: reads the files, and those in the folders,
 * by a load plan and row by row, in blocks of several sizes. Prints how many loaded in which way, and every
 * difference. Exits with 1 if there is one.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../../lib/errors.ts";
import { BothWays } from "./both-ways.ts";

/** By name: the size of a block for a file of so many bytes. */
const BLOCKS: Record<string, (bytes: number) => number> = {
  "small blocks": () => 64,
  "three blocks": (bytes) => Math.max(64, Math.ceil(bytes / 3)),
};

const filesIn = (path: string): string[] => {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true, encoding: "utf8" })
    .map((name) => join(path, name))
    .filter((file) => statSync(file).isFile())
    .toSorted();
};

const both = new BothWays();
const counts = new Map<string, number>();
for (const path of process.argv.slice(2).flatMap(filesIn)) {
  const bytes = readFileSync(path);
  for (const [name, sizeOf] of Object.entries(BLOCKS)) {
    const size = sizeOf(bytes.length);
    let found: string;
    try {
      const { way, because } = await both.compare({ bytes, limits: { detectionBytes: size, inferenceBytes: size } });
      found = way;
      if (way === "refused") console.log(`${path}, ${name}: ${because}`);
    } catch (thrown) {
      found = "different";
      process.exitCode = 1;
      console.log(`${path}, ${name}: ${messageOf(thrown)}`);
    }
    counts.set(`${name}: ${found}`, (counts.get(`${name}: ${found}`) ?? 0) + 1);
  }
}
await both.close();
for (const [what, count] of [...counts].toSorted()) console.log(`${String(count).padStart(7)} ${what}`);
