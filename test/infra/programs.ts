import { execFileSync } from "node:child_process";

/** False if a test may run, else why it is skipped: Debian's `debianPackage` would bring the program. With `sign`=1 its lack is a failure. */
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
