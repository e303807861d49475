/**
 * `npm run fuzz -- --seconds N [--target name] [--seed N]`: every target in turn, chunk by chunk, each from a seed of its own, until the
 * time is over. The work is done in a thread, so that a try that never ends is noticed, too. A chunk that failed is run again by its
 * printed seed; what it found belongs into fuzz.test.ts.
 */
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { TARGETS } from "./targets.ts";

const SILENCE_MS_MAX = 120_000;

interface Order {
  seconds: number;
  targets: string[];
  seed: number;
}

type Said =
  | { kind: "begins"; target: string; seed: number }
  | { kind: "ends"; target: string; tries: number; ms: number }
  | { kind: "fails"; target: string; seed: number; report: string }
  | { kind: "done" };

async function work({ seconds, targets, seed }: Order): Promise<void> {
  const say = (said: Said): void => parentPort!.postMessage(said);
  const chosen = TARGETS.filter(({ name }) => targets.length === 0 || targets.includes(name));
  const deadlineMs = performance.now() + seconds * 1_000;
  for (let chunkSeed = seed; performance.now() < deadlineMs; chunkSeed++) {
    for (const target of chosen) {
      const { name, chunk } = target;
      if (performance.now() >= deadlineMs) break;
      say({ kind: "begins", target: name, seed: chunkSeed });
      const startMs = performance.now();
      try {
        await target.run(chunk, chunkSeed);
      } catch (thrown) {
        say({
          kind: "fails",
          target: name,
          seed: chunkSeed,
          report: thrown instanceof Error ? thrown.message : String(thrown),
        });
      }
      say({ kind: "ends", target: name, tries: chunk, ms: performance.now() - startMs });
    }
  }
  say({ kind: "done" });
}

function watch(order: Order): void {
  const register = import.meta.resolve("tsx/esm/api");
  const start = `import("${register}").then(({ register }) => { register(); return import("${import.meta.url}"); })`;
  const worker = new Worker(start, { eval: true, workerData: order });
  const tries = new Map<string, { tries: number; ms: number; failed: number }>();
  const of = (name: string) => {
    const known = tries.get(name) ?? { tries: 0, ms: 0, failed: 0 };
    tries.set(name, known);
    return known;
  };
  let current = "";
  const startMs = performance.now();
  let rssBytesMax = 0;
  const tooLong = (): void => {
    console.log(`no word for ${SILENCE_MS_MAX / 1_000} s: ${current} hangs`);
    process.exitCode = 1;
    void worker.terminate();
  };
  let silence = setTimeout(tooLong, SILENCE_MS_MAX);
  worker.on("message", (said: Said) => {
    clearTimeout(silence);
    rssBytesMax = Math.max(rssBytesMax, process.memoryUsage().rss);
    if (said.kind === "done") return;
    silence = setTimeout(tooLong, SILENCE_MS_MAX);
    if (said.kind === "begins") current = `${said.target}, seed ${said.seed}`;
    else if (said.kind === "ends") {
      const { tries: made, ms } = said;
      Object.assign(of(said.target), { tries: of(said.target).tries + made, ms: of(said.target).ms + ms });
    } else {
      of(said.target).failed++;
      process.exitCode = 1;
      console.log(`${said.target} fails: --target "${said.target}" --seed ${said.seed}\n${said.report}\n`);
    }
  });
  worker.on("error", (thrown) => {
    console.log(`${current}: the thread died: ${String(thrown)}`);
    process.exitCode = 1;
  });
  worker.on("exit", () => {
    clearTimeout(silence);
    for (const [name, { tries: made, ms, failed }] of tries) {
      const rate = Math.round(made / (ms / 1_000));
      console.log(
        `${name.padEnd(20)} ${String(made).padStart(9)} tries, ${rate}/s${failed > 0 ? `, ${failed} chunks failed` : ""}`,
      );
    }
    const all = [...tries.values()].reduce((sum, one) => sum + one.tries, 0);
    const seconds = Math.round((performance.now() - startMs) / 1_000);
    console.log(`${all} tries in ${seconds} s from seed ${order.seed}; at most ${Math.round(rssBytesMax / 1e6)} MB`);
  });
}

if (isMainThread) {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "60" },
      target: { type: "string", multiple: true, default: [] },
      seed: { type: "string" },
    },
  });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  watch({ seconds: values.seed === undefined ? Number(values.seconds) : 0.001, targets: values.target, seed });
} else {
  await work(workerData as Order);
}
