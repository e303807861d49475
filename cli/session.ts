import { readFileSync } from "node:fs";
import { rootCertificates } from "node:tls";
import { InvalidArgumentError, type Command } from "commander";
import { parseDuration } from "../lib/durations.ts";
import { makeGatewayClient, type Client } from "./client.ts";
import { EXIT, explain } from "./output.ts";

/** What every command is given. */
export interface Session {
  client: Client;
  json: boolean;
  /** Prints the answer: as it came with --json, else in words. */
  print: <T>(answer: T, inWords: (answer: T) => string) => void;
  /** Says something on standard error, unless only JSON is wanted. */
  tell: (text: string) => void;
}

/**
 * A commander action that is given a session. What it returns is the exit code (nothing: 0); what it throws is explained on standard
 * error and becomes the exit code it means.
 */
export function action<Args extends unknown[]>(
  run: (session: Session, ...args: Args) => Promise<number | undefined>,
): (...all: [...Args, Command]) => Promise<void> {
  return async (...all) => {
    const command = all.at(-1) as Command;
    const { url, apiKey, caFile, json } = command.optsWithGlobals<GlobalFlags>();
    try {
      const session: Session = {
        client: makeGatewayClient(url, {
          apiKey: apiKey ?? process.env["TRIBUTARY_API_KEY"],
          ca: certificatesOf(caFile),
        }),
        json,
        print: (answer, inWords) =>
          process.stdout.write(`${json ? JSON.stringify(answer, null, 2) : inWords(answer)}\n`),
        tell: (text) => {
          if (!json) process.stderr.write(`${text}\n`);
        },
      };
      const args = all.slice(0, -2);
      process.exitCode = (await run(session, ...([...args, flagsOf(command)] as unknown as Args))) ?? EXIT.ok;
    } catch (error) {
      const { text, exitCode } = explain(error, json);
      process.stderr.write(`${text}\n`);
      process.exitCode = exitCode;
    }
  };
}

interface GlobalFlags {
  url: string;
  apiKey?: string;
  caFile?: string;
  json: boolean;
}

function certificatesOf(caFile = process.env["TRIBUTARY_CA_FILE"]): string[] | undefined {
  return caFile ? [...rootCertificates, readFileSync(caFile, "utf8")] : undefined;
}

/** The command's own flags, and those that commander took for its parent's because they are called alike: `rejects replay t --file f`. */
function flagsOf(command: Command): object {
  const { parent } = command;
  return { ...(parent?.parent ? parent.opts() : {}), ...command.opts() };
}

/** For commander: a whole number from 1 on. */
export function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("Write a whole number from 1 on.");
  return value;
}

/** For commander: 30s, 5m, 2h, 90d, 500ms or bare seconds → milliseconds. */
export function durationMs(text: string): number {
  const parsed = parseDuration(text, "s");
  if ("fault" in parsed) throw new InvalidArgumentError(parsed.fault);
  return parsed.ms;
}
