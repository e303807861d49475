import { lossyProxy, type Loss } from "../../support/lossy-proxy.ts";

/** Shares of the requests that suffer a loss. */
const OF_COMMITS = 0.2;
const OF_OTHERS = 0.03;
const STATUSES = [500, 502, 503, 504];
/** Within the gate's time for an attempt, so that a late commit races the writer's next request. */
const LATE_MS_MAX = 8_000;

const isCommit = (method: string, path: string): boolean =>
  method === "POST" && /\/(?:transactions\/commit|tables\/[^/]+)$/.test(path.replace(/\?.*/, ""));

/** A proxy before a REST catalog that loses requests and answers at random, once it has begun. */
export interface LossyCatalog {
  url: string;
  /** Counts of losses by kind, commits and other requests apart. */
  counts: Map<string, number>;
  /** From now on requests and answers are lost. */
  begin(): void;
  /** From now on nothing is lost. */
  heal(): void;
  close(): Promise<void>;
}

export async function lossyCatalog(server: string, random: () => number): Promise<LossyCatalog> {
  const counts = new Map<string, number>();
  let isLossy = false;
  const proxy = await lossyProxy(server, (method, path) => {
    const what = isCommit(method, path) ? "commit" : "request";
    if (!isLossy || random() >= (what === "commit" ? OF_COMMITS : OF_OTHERS)) return undefined;
    const loss = lossFrom(random);
    const name = `lossy catalog: ${what} ${nameOf(loss)}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    return loss;
  });
  return {
    ...{ url: proxy.url, counts },
    begin: () => void (isLossy = true),
    heal: () => void (isLossy = false),
    close: () => proxy.close(),
  };
}

function lossFrom(random: () => number): Loss {
  const status = STATUSES[Math.floor(random() * STATUSES.length)]!;
  const losses: readonly Loss[] = ["before", "after", status, { refused: status }, { lateMs: random() * LATE_MS_MAX }];
  return losses[Math.floor(random() * losses.length)]!;
}

function nameOf(loss: Loss): string {
  if (typeof loss === "string") return loss === "before" ? "lost" : "answer lost";
  if (typeof loss === "number") return "answer replaced by 5xx";
  return "refused" in loss ? "refused with 5xx" : "late";
}
