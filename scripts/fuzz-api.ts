/**
 * Fuzzes the gateway's API: `npm run fuzz:api`. Sends valid and invalid requests generated from /openapi.json
 * and checks every response. Uses Schemathesis, which pip installs into the cache, against an embedded
 * gateway with API keys in a temporary folder.
 */
import { Command } from "commander";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { messageOf } from "../lib/errors.ts";
import { hashOf, newSecret } from "../lib/process/api-keys.ts";
import { cacheDir, install, PYTHON_MISSING, runTool, type Program } from "./stack/programs/install.ts";
import { wholeFrom } from "./arguments.ts";
import { startTributary } from "./tributary-process.ts";

const REQUIREMENTS = fileURLToPath(new URL("../test/fuzz/requirements.txt", import.meta.url));
const VERSION = /^schemathesis==(.+)$/m.exec(readFileSync(REQUIREMENTS, "utf8"))![1]!;

const program: Program = {
  name: "schemathesis",
  version: VERSION,
  async build(into) {
    const args = ["-m", "pip", "install", "--no-deps", "--target", into, "-r", REQUIREMENTS];
    await runTool("python3", args, { missing: PYTHON_MISSING, cwd: into });
  },
};

/**
 * The checks that every response must pass. Not used: `positive_data_acceptance`, because a schema cannot
 * express which SQL, file, cursor or check name is valid; `use_after_free`, because a DELETE with `dryRun`
 * deletes nothing, and a dropped table may be asked for its rejects and files.
 */
const CHECKS = [
  "not_a_server_error",
  "status_code_conformance",
  "content_type_conformance",
  "response_headers_conformance",
  "response_schema_conformance",
  "negative_data_rejection",
  "missing_required_header",
  "unsupported_method",
  "allow_header_conformance",
  "ensure_resource_availability",
  "ignored_auth",
  "object_level_authorization",
];

/**
 * Schemathesis's default lists plus 413, because a body that is too large is refused before it is read, and
 * plus 503, which tells a client to come again: on a slow machine a file's rejects may not be on record yet.
 */
const CONFIG = `[checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 503]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429, "5xx"]
`;

/** A file with one valid and one rejected row, so that requests find data. */
const SAMPLE = "id,amount\n1,2\nx,3\n";

export interface FuzzOptions {
  /** Duration limit in seconds. */
  secondsMax: number;
  /** Maximum number of cases per operation. */
  examplesMax: number;
  seed: number;
  say: (line: string) => void;
}

export interface FuzzResult {
  passed: boolean;
  /** Operations of the document selected for the test, and operations tested. */
  operations: number;
  tested: number;
  cases: number;
  /** The output of Schemathesis; contains a request that reproduces each failure. */
  report: string;
}

/** @throws Error that names what is missing if Schemathesis cannot be installed */
export async function fuzzApi({ secondsMax, examplesMax, seed, say }: FuzzOptions): Promise<FuzzResult> {
  const home = await install(cacheDir(process.env), program, say);
  const folder = await mkdtemp(join(tmpdir(), "tributary-fuzz-"));
  const key = newSecret();
  const keysFile = join(folder, "keys.json");
  await writeFile(keysFile, JSON.stringify([{ id: "fuzz", sha256: hashOf(key).toString("hex"), scopes: ["admin"] }]));
  await writeFile(join(folder, "schemathesis.toml"), CONFIG);
  await mkdir(join(folder, "contracts"));
  const tributary = await startTributary(join(folder, "data"), {
    TRIBUTARY_API_KEYS_FILE: keysFile,
    TRIBUTARY_CONTRACTS_DIR: join(folder, "contracts"),
    TRIBUTARY_AUDIT_FILE: join(folder, "audit.jsonl"),
    TRIBUTARY_AUTH_FAILURES_MAX: "1000000",
    TRIBUTARY_WAIT_MAX: "2s",
  });
  try {
    const authorization = `Bearer ${key}`;
    const sampleUrl = `${tributary.url}/v1/tables/sales/files/sample.csv?wait=committed&timeout=2s`;
    await fetch(sampleUrl, { method: "PUT", body: SAMPLE, headers: { authorization } });
    const args = ["-m", "schemathesis.cli", "--no-color", "run", `${tributary.url}/openapi.json`];
    const header = ["--header", `Authorization: ${authorization}`];
    const limits = ["--max-time", String(secondsMax), "--max-examples", String(examplesMax), "--request-timeout", "15"];
    // Its response never ends; test/services/gateway/files/events-route.test.ts covers it.
    const without = ["--exclude-operation-id", "streamEvents"];
    const checks = ["--checks", CHECKS.join(","), "--continue-on-failure", "--no-shrink", "--seed", String(seed)];
    const report = await run("python3", [...args, ...header, ...limits, ...without, ...checks], {
      cwd: folder,
      env: { ...process.env, PYTHONPATH: home, PYTHONDONTWRITEBYTECODE: "1" },
    });
    const numberIn = (pattern: RegExp): number => Number(pattern.exec(report.text)?.[1] ?? 0);
    return {
      passed: report.code === 0,
      operations: numberIn(/Operations: +(\d+) selected/),
      tested: numberIn(/Tested: (\d+)/),
      cases: numberIn(/(\d+) generated/),
      report: report.text,
    };
  } finally {
    await tributary.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

function run(
  command: string,
  args: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<{ code: number | null; text: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk: string) => (text = (text + chunk).slice(-200_000)));
    }
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, text }));
  });
}

if (import.meta.url === `file://${process.argv[1] ?? ""}`) {
  const { seconds, seed } = new Command("npm run fuzz:api --")
    .description("Fuzzes the API of an embedded gateway with requests generated from its /openapi.json.")
    .option("--seconds <count>", "duration limit in seconds", wholeFrom(1), 120)
    .option("--seed <seed>", "seed of the generated requests", wholeFrom(0), Date.now() % 1_000_000)
    .parse()
    .opts<{ seconds: number; seed: number }>();
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  try {
    const options = { secondsMax: seconds, examplesMax: 200, seed, say };
    const { passed, operations, cases, report } = await fuzzApi(options);
    say(report);
    say(`${operations} operations, ${cases} cases, seed ${seed}: ${passed ? "passed" : "failed, see above"}`);
    process.exitCode = passed ? 0 : 1;
  } catch (error) {
    say(messageOf(error));
    process.exitCode = 1;
  }
}
