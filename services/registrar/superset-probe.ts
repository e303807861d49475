import type { Clock } from "../../lib/clock.ts";

const EVERY_MS = 30_000;
const ANSWER_MS_MAX = 10_000;

/** Asks Superset's /health regularly and reports whether it answers, until the signal aborts. */
export async function probeSuperset(options: {
  url: string;
  clock: Clock;
  signal: AbortSignal;
  onAnswer: (isUp: boolean) => void;
}): Promise<void> {
  const { url, clock, signal, onAnswer } = options;
  while (!signal.aborted) {
    const within = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS_MAX)]);
    const isUp = await fetch(`${url}/health`, { headers: { connection: "close" }, signal: within }).then(
      async (response) => {
        await response.body?.cancel();
        return response.ok;
      },
      () => false,
    );
    if (signal.aborted) return;
    onAnswer(isUp);
    await clock.sleep(EVERY_MS, signal);
  }
}
