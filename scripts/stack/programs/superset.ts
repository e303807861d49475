import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { install, runTool, type Program } from "./install.ts";
import { INFRA } from "../paths.ts";
import { HOST } from "../ports.ts";
import { httpAnswers, startProcess, waitUntilReady, type Started } from "../processes.ts";
import type { StackSettings } from "../settings.ts";
import type { StackContext } from "../context.ts";

const VERSION = "6.1.0";
/** Versions with prebuilt wheels of all pinned packages; the first is tested most. */
const PYTHONS = ["3.11", "3.12", "3.10"];

interface Python {
  command: string;
  /** For example 3.11. */
  version: string;
}

/** The first suitable Python on the PATH. @throws Error that lists the suitable versions */
async function findPython(env: StackContext["env"]): Promise<Python> {
  for (const command of [...PYTHONS.map((version) => `python${version}`), "python3"]) {
    const script = "import sys, pip; print('%d.%d' % sys.version_info[:2])";
    const printed = await runTool(command, ["-c", script], { missing: "none", env: { ...env } }).catch(() => "");
    const version = printed.trim();
    if (PYTHONS.includes(version)) return { command, version };
  }
  throw new Error(`Superset ${VERSION} needs Python ${PYTHONS.join(", ")} with pip; none is on the PATH.`);
}

/** Superset and its drivers as pinned in infra/superset, isolated from other Python packages. */
async function programFor({ command, version }: Python): Promise<Program> {
  const [requirements, constraints] = ["requirements.txt", "constraints.txt"].map(
    (file) => `${INFRA}/superset/${file}`,
  );
  const pins = createHash("sha256");
  for (const path of [requirements!, constraints!]) pins.update(await readFile(path));
  return {
    name: "superset",
    version: `${VERSION}-python${version}-${pins.digest("hex").slice(0, 8)}`,
    async build(into) {
      const args = ["-m", "pip", "install", "--quiet", "--target", into, "-c", constraints!, "-r", requirements!];
      await runTool(command, args, { missing: `${command} is not on the PATH`, cwd: into });
      const drivers = ["-c", "import gunicorn, psycopg2, superset, trino.sqlalchemy"];
      const env = { ...process.env, PYTHONPATH: into };
      await runTool(command, drivers, { missing: `${command} is not on the PATH`, cwd: into, env });
    },
  };
}

export const supersetUrl = ({ ports }: StackSettings): string => `http://${HOST}:${ports.superset}`;

/** Environment of the registrar. */
export const supersetEnvironment = (settings: StackSettings): Record<string, string> => ({
  TRIBUTARY_SUPERSET_URL: supersetUrl(settings),
  TRIBUTARY_SUPERSET_USER: settings.superset.user,
  TRIBUTARY_SUPERSET_PASSWORD: settings.superset.password,
});

/**
 * Initialises Superset with infra/superset/init.sh, starts it and waits until it responds. Its metadata are
 * in SQLite, where dataset names are unique across schemas; compose uses PostgreSQL.
 */
export async function startSuperset(context: StackContext): Promise<Started> {
  const { settings, say } = context;
  const python = await findPython(context.env);
  const program = await programFor(python);
  const home = await install(context.cache, program, say);
  const folder = join(context.data, "superset");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { user, password, secretKey } = settings.superset;
  const env = {
    ...context.env,
    PATH: `${join(home, "bin")}:${context.env.PATH ?? ""}`,
    PYTHONPATH: home,
    // Write no bytecode next to the settings in the repository.
    PYTHONDONTWRITEBYTECODE: "1",
    FLASK_APP: "superset.app:create_app()",
    SUPERSET_CONFIG_PATH: `${INFRA}/superset/superset_config.py`,
    SUPERSET_SECRET_KEY: secretKey,
    SUPERSET_DATABASE_URI: `sqlite:///${join(folder, "superset.db")}`,
    SUPERSET_ADMIN_USER: user,
    SUPERSET_ADMIN_PASSWORD: password,
  };
  const initialised = join(folder, `initialised-${program.version}`);
  if (!existsSync(initialised)) {
    await runTool("sh", [`${INFRA}/superset/init.sh`], { missing: "`sh` is required", cwd: folder, env });
    await writeFile(initialised, "");
  }
  const server = ["--workers=1", "--worker-class=gthread", "--threads=8", "--timeout=120", "superset.app:create_app()"];
  const started = context.started(
    startProcess({
      name: "superset",
      command: python.command,
      args: ["-m", "gunicorn", `--bind=${HOST}:${settings.ports.superset}`, ...server],
      env,
      cwd: folder,
      log: context.log("superset"),
    }),
  );
  const answers = (): Promise<void> => httpAnswers(`${supersetUrl(settings)}/health`);
  await waitUntilReady(started, answers, { withinMs: 180_000, signal: context.signal });
  say(`superset   ${supersetUrl(settings)} (user ${user}, password in stack.json)`);
  return started;
}
