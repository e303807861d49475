import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunningStack } from "../stack.ts";
import { ROOT } from "../paths.ts";
import { cacheDir, install, runTool, type Program } from "./install.ts";

/** PyIceberg as pinned in pyiceberg.txt, apart from other Python packages. */
async function program(): Promise<Program> {
  const pins = join(ROOT, "scripts", "stack", "programs", "pyiceberg.txt");
  const digest = createHash("sha256").update(await readFile(pins)).digest("hex"); // prettier-ignore
  return {
    name: "pyiceberg",
    version: digest.slice(0, 8),
    async build(into) {
      const args = ["-m", "pip", "install", "--quiet", "--target", into, "-r", pins];
      await runTool("python3", args, { missing: "Python 3 with pip is required to install PyIceberg", cwd: into });
    },
  };
}

/** How PyIceberg reaches the stack's REST catalog: properties of `load_catalog`. */
export function pyIcebergCatalog({ s3, restCatalog }: Pick<RunningStack["file"], "s3" | "restCatalog">): object {
  return {
    type: "rest",
    uri: restCatalog.uri,
    warehouse: restCatalog.warehouse,
    credential: restCatalog.credential,
    scope: "catalog",
    "oauth2-server-uri": restCatalog.oauth2ServerUri,
    "s3.endpoint": s3.endpoint,
    "s3.region": s3.region,
    "s3.access-key-id": s3.accessKey,
    "s3.secret-access-key": s3.secretKey,
  };
}

/**
 * Runs a script that reads JSON from its input and prints JSON, with PyIceberg installed. `say` reports
 * progress.
 */
export async function runPyIceberg(script: string, request: object, say: (line: string) => void): Promise<unknown> {
  const packages = await install(cacheDir(process.env), await program(), say);
  return JSON.parse(await run(script, packages, JSON.stringify(request)));
}

function run(script: string, packages: string, input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: "1" };
    const child = spawn("python3", [script], { env, stdio: ["pipe", "pipe", "inherit"] });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(Buffer.concat(chunks).toString("utf8"));
      else reject(new Error(`${script} failed with exit code ${code}`));
    });
    child.stdin.end(input);
  });
}
