import type { Command } from "commander";
import { EXIT, tableText } from "../output.ts";
import { action } from "../session.ts";

interface WorkersAnswer {
  workers: {
    role: string;
    id: string;
    host: string | null;
    partitions: number;
    waiting: number;
    oldestSeconds: number;
    tables: string[];
  }[];
  missing: string[];
}

/** `tributary workers`: the live parsers and committers. */
export function addWorkers(program: Command): void {
  program
    .command("workers")
    .description("list the parsers and committers that run, and what each works on; exit code 1: one is missing")
    .action(
      action(async ({ client, print }) => {
        const answer = await client.send<WorkersAnswer>("GET", "/v1/workers");
        print(answer, workersText);
        return answer.missing.length === 0 ? EXIT.ok : EXIT.no;
      }),
    );
}

export function workersText({ workers, missing }: WorkersAnswer): string {
  const lines = missing.map((role) => `no ${role} runs: its work waits`);
  if (workers.length > 0) {
    const head = ["worker", "host", "partitions", "waiting", "seconds behind", "works on", "id"];
    const rows = workers.map((one) => [
      one.role,
      one.host ?? "this process",
      one.partitions,
      one.waiting,
      Math.round(one.oldestSeconds * 10) / 10,
      one.tables.slice(0, 3).join(", ") + (one.tables.length > 3 ? ", …" : ""),
      one.id,
    ]);
    lines.unshift(tableText(head, rows));
  }
  return lines.join("\n");
}
