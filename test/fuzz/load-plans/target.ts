/** No answer may depend on which way ran: files load by a plan as they do row by row. */
import { target, type Target } from "../fuzz-target.ts";
import { BothWays, type Way } from "./both-ways.ts";
import { givenFile } from "./files.ts";

const counts: Record<Way["way"], number> = { planned: 0, "not asked": 0, irregular: 0, refused: 0, failed: 0 };

/** Rows that were taken at once, and files with some. */
const atOnce = { rows: 0, files: 0 };

/** How the files so far loaded. A property that compares nothing cannot fail. */
export const waysTaken = (): Readonly<typeof counts & { atOnce: typeof atOnce }> => ({ ...counts, atOnce });

export const loadPlans: Target = {
  name: "load plans",
  chunk: 50,
  run: async (tries, seed) => {
    const both = new BothWays();
    const compare = target("load plans", tries, givenFile, async (given) => {
      const { way, atOnce: rows } = await both.compare(given);
      counts[way]++;
      atOnce.rows += rows;
      if (rows > 0) atOnce.files++;
    });
    try {
      await compare.run(tries, seed);
    } finally {
      await both.close();
    }
  },
};
