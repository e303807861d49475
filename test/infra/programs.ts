import { execFileSync } from "node:child_process";

/**
 * Returns false if the test can run, otherwise the reason to skip it: `debianPackage` provides the program.
 * With `sign`=1 in the environment, a missing program is a failure.
 */
export function missing(program: string, debianPackage: string, sign = "REQUIRE_STACK"): string | false {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return false;
  } catch {
    const why = `${program} is not on the PATH (Debian: ${debianPackage})`;
    if (process.env[sign] === "1") throw new Error(why);
    process.stderr.write(`SKIPPED: ${why}\n`);
    return why;
  }
}
