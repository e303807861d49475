import { execFileSync } from "node:child_process";

/**
 * Returns false if the test can run, otherwise the reason to skip it: `source` says what provides the program.
 * With `sign`=1 in the environment, a missing program is a failure. `asks` makes the program end at once.
 */
export function missing(program: string, source: string, sign = "REQUIRE_STACK", asks = "--version"): string | false {
  try {
    execFileSync(program, [asks], { stdio: "ignore" });
    return false;
  } catch {
    const why = `${program} is not on the PATH (${source})`;
    if (process.env[sign] === "1") throw new Error(why);
    process.stderr.write(`SKIPPED: ${why}\n`);
    return why;
  }
}
