import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { cacheDir, install, runTool, verifySha256, type Program } from "../../scripts/stack/programs/install.ts";
import { findJava } from "../../scripts/stack/programs/java.ts";
import { render } from "../../scripts/stack/paths.ts";
import { choosePorts, HOST } from "../../scripts/stack/ports.ts";
import {
  startTimeOf,
  isAlive,
  lastLines,
  startProcess,
  stopProcesses,
  waitUntilReady,
} from "../../scripts/stack/processes.ts";
import { loadSettings } from "../../scripts/stack/settings.ts";
import { until } from "../support/until.ts";

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tributary-test-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const never = new AbortController().signal;
const node = (script: string, log: string) =>
  startProcess({ name: "it", command: process.execPath, args: ["-e", script], env: process.env, cwd: tmpdir(), log });
/** How a process ended. Unlike the bare promise, this keeps the test process alive. */
async function endOf(ended: Promise<string>): Promise<string> {
  let how: string | undefined;
  void ended.then((text) => (how = text));
  return until("the process to end", () => how);
}

const WAITS = "process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000); console.log('here')";

describe("processes of the stack", () => {
  it("stops a process and waits for its end", () =>
    withFolder(async (folder) => {
      const { record, ended } = node(WAITS, join(folder, "log"));
      assert.ok(isAlive(record));
      await stopProcesses([record], 5_000);
      assert.ok(!isAlive(record));
      assert.match(await endOf(ended), /exit code 0|signal SIGTERM/);
    }));

  it("kills a process that ignores SIGTERM, with its children", () =>
    withFolder(async (folder) => {
      const log = join(folder, "log");
      const child = `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('child', process.pid)`;
      const { record, ended } = node(
        `process.on('SIGTERM', () => {}); require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(child)}],` +
          ` { stdio: 'inherit' }); setInterval(() => {}, 1000)`,
        log,
      );
      const pid = await until("the child to run", async () => {
        return Number(/child (\d+)/.exec((await lastLines(log, 5)).join("\n"))?.[1]);
      });
      await stopProcesses([record], 100);
      assert.ok(!isAlive(record));
      assert.match(await endOf(ended), /SIGKILL/);
      await until("the child to end", () => startTimeOf(pid) === undefined);
    }));

  it("does not signal another process with the recorded pid", async () => {
    const child = spawn(process.execPath, ["-e", WAITS], { stdio: ["ignore", "pipe", "ignore"] });
    try {
      await once(child.stdout, "data");
      const record = { name: "former", pid: child.pid!, born: "another time", log: "" };
      assert.ok(!isAlive(record));
      await stopProcesses([record], 1_000);
      assert.notEqual(startTimeOf(child.pid!), undefined);
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  });

  it("shows the last log lines of a process that does not start", () =>
    withFolder(async (folder) => {
      const started = node("console.error('the disk is on fire'); process.exit(3)", join(folder, "log"));
      const probe = () => Promise.reject(new Error("not yet"));
      await assert.rejects(
        waitUntilReady(started, probe, { withinMs: 10_000, signal: never }),
        /it ended while starting \(exit code 3\)[^]*the disk is on fire/,
      );
    }));

  it("does not take another process for the one that ended", () =>
    withFolder(async (folder) => {
      const started = node("process.exit(3)", join(folder, "log"));
      await endOf(started.ended);
      await assert.rejects(
        waitUntilReady(started, async () => undefined, { withinMs: 10_000, signal: never }),
        /it ended while starting \(exit code 3\)/,
      );
    }));

  it("reports a program that cannot start", () =>
    withFolder(async (folder) => {
      const spec = {
        name: "it",
        command: join(folder, "absent"),
        args: [],
        env: {},
        cwd: folder,
        log: join(folder, "log"),
      };
      const probe = () => Promise.reject(new Error("not yet"));
      const started = startProcess(spec);
      await assert.rejects(
        waitUntilReady(started, probe, { withinMs: 10_000, signal: never }),
        /could not start: .*ENOENT/,
      );
    }));
});

describe("ports of the stack", () => {
  it("are free and different", async () => {
    const names = Array.from({ length: 20 }, (_, index) => `p${index}`);
    const ports = await choosePorts(names, {});
    assert.equal(new Set(Object.values(ports)).size, 20);
  });

  it("are none that others of the stack will take", async () => {
    const even = Array.from({ length: 8_501 }, (_, index) => 15_000 + 2 * index);
    const ports = await choosePorts(["a", "b", "c", "d", "e", "f", "g", "h"], {}, even);
    assert.deepEqual(Object.values(ports).filter((port) => port % 2 === 0), []); // prettier-ignore
  });

  it("fail at once if a fixed port is in use", async () => {
    const server = createServer().listen({ host: HOST, port: 0 });
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    try {
      await assert.rejects(choosePorts(["trino"], { trino: port }), {
        code: "PORT_IN_USE",
        message: /\(trino\) is in use/,
      });
    } finally {
      server.close();
      await once(server, "close");
    }
  });

  it("and keys are kept from the stack's first start", () =>
    withFolder(async (folder) => {
      const first = await loadSettings(folder, {});
      assert.deepEqual(await loadSettings(folder, {}), first);
      await withFolder(async (other) =>
        assert.notEqual((await loadSettings(other, {})).s3.secretKey, first.s3.secretKey),
      );
    }));
});

describe("installing", () => {
  const program = (build: Program["build"]): Program => ({ name: "thing", version: "1", build });

  it("runs once for several concurrent callers", () =>
    withFolder(async (cache) => {
      let builds = 0;
      const thing = program(async (into) => {
        builds++;
        await writeFile(join(into, "file"), "x");
      });
      const folders = await Promise.all([1, 2, 3].map(() => install(cache, thing, () => undefined)));
      assert.equal(builds, 1);
      assert.equal(new Set(folders).size, 1);
      assert.deepEqual(await readdir(folders[0]!), ["file"]);
      assert.deepEqual(await readdir(cache), ["thing-1"]);
    }));

  it("leaves no files when it fails", () =>
    withFolder(async (cache) => {
      const thing = program(async (into) => {
        await writeFile(join(into, "half"), "x");
        throw new Error("connection lost");
      });
      await assert.rejects(
        install(cache, thing, () => undefined),
        /connection lost/,
      );
      assert.deepEqual(await readdir(cache), []);
    }));

  it("takes over the lock of a process that died", () =>
    withFolder(async (cache) => {
      await mkdir(cache, { recursive: true });
      await writeFile(join(cache, "thing-1.lock"), JSON.stringify({ pid: process.pid, born: "long ago" }));
      await install(
        cache,
        program(async () => undefined),
        () => undefined,
      );
      assert.ok(existsSync(join(cache, "thing-1")));
    }));

  it("refuses a file without the pinned hash", () =>
    withFolder(async (folder) => {
      const path = join(folder, "file");
      await writeFile(path, "x");
      await verifySha256(path, "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881");
      await assert.rejects(verifySha256(path, "0".repeat(64)), /has sha256 2d71\w+, expected the pinned 0{64}/);
    }));

  it("names the remedy when a tool is missing", async () => {
    await assert.rejects(runTool("no-such-tool", [], { missing: "install it" }), /^Error: install it$/);
  });

  it("uses TRIBUTARY_CACHE_DIR, else the user's cache folder", () => {
    assert.equal(cacheDir({ TRIBUTARY_CACHE_DIR: "/there" }), "/there");
    assert.equal(cacheDir({ XDG_CACHE_HOME: "/cache" }), join("/cache", "tributary"));
  });
});

describe("finding Java", () => {
  const makeHome = async (home: string, version: string): Promise<void> => {
    await mkdir(join(home, "bin"), { recursive: true });
    await writeFile(join(home, "bin", "java"), "");
    await writeFile(join(home, "release"), `IMPLEMENTOR="x"\nJAVA_VERSION="${version}"\n`);
  };

  it("uses only TRIBUTARY_JAVA_HOME if it is set", () =>
    withFolder(async (folder) => {
      await makeHome(folder, "25.0.1");
      assert.equal(findJava({ TRIBUTARY_JAVA_HOME: folder }), folder);
    }));

  it("reports the version found and the remedy if it is too old", () =>
    withFolder(async (folder) => {
      await makeHome(folder, "17.0.15");
      assert.throws(
        () => findJava({ TRIBUTARY_JAVA_HOME: folder }),
        /needs Java 24 or newer; found .*Java 17[^]*→ Install a JDK/,
      );
    }));
});

it("render rejects a template with a variable that has no value", () =>
  withFolder(async (folder) => {
    const path = join(folder, "template");
    await writeFile(path, "port=${PORT}\nhost=${HOST}\n");
    assert.equal(await render(path, { PORT: 1, HOST: "h" }), "port=1\nhost=h\n");
    await assert.rejects(render(path, { PORT: 1 }), /have no value: HOST/);
  }));
