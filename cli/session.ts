import { readFileSync } from "node:fs";
import { rootCertificates } from "node:tls";
import { InvalidArgumentError, Option, type Command } from "commander";
import { parseDuration } from "../lib/durations.ts";
import { unknownSettingFaults } from "../lib/process/settings/unknown.ts";
import { makeGatewayClient, type Client } from "./client.ts";
import type { Terminal } from "./requests/consent.ts";
import { EXIT, explain, lineText, UsageError } from "./output.ts";

/** What every command receives. */
export interface Session {
  client: Client;
  json: boolean;
  /** Prints the response: as JSON with --json, else formatted by `format`. */
  print: <T>(answer: T, format: (answer: T) => string) => void;
  /** PEM certificates of the trusted CAs; undefined: Node's own. */
  ca: readonly string[] | undefined;
  /** Writes a message to standard error, except with --json. */
  tell: (text: string) => void;
  /** Where a person can be asked; undefined: with --json, or if standard input or error is no terminal. */
  terminal: Terminal | undefined;
}

/**
 * A commander action that receives a session. `run` returns the exit code (undefined: 0). An error that it
 * throws is written to standard error and sets the exit code.
 */
export function action<Args extends unknown[]>(
  run: (session: Session, ...args: Args) => Promise<number | undefined>,
): (...all: [...Args, Command]) => Promise<void> {
  return async (...all) => {
    const command = all.at(-1) as Command;
    const { url, apiKey, caFile, json } = command.optsWithGlobals<GlobalFlags>();
    try {
      checkSettingNames();
      checkUrl(url);
      const ca = certificatesOf(caFile);
      const session: Session = {
        client: makeGatewayClient(url, { apiKey: apiKey ?? process.env["TRIBUTARY_API_KEY"], ca }),
        json,
        ca,
        print: (answer, format) => process.stdout.write(`${json ? JSON.stringify(answer, null, 2) : format(answer)}\n`),
        tell: (text) => {
          if (!json) process.stderr.write(`${text}\n`);
        },
        terminal: json ? undefined : terminalOf(process.stdin, process.stderr),
      };
      const args = all.slice(0, -2);
      process.exitCode = (await run(session, ...([...args, flagsOf(command)] as unknown as Args))) ?? EXIT.ok;
    } catch (error) {
      const { text, exitCode } = explain(error, json, command);
      process.stderr.write(`${text}\n`);
      process.exitCode = exitCode;
    }
  };
}

const terminalOf = (input: NodeJS.ReadStream, output: NodeJS.WriteStream): Terminal | undefined =>
  input.isTTY && output.isTTY ? { input, output } : undefined;

interface GlobalFlags {
  url: string;
  apiKey?: string;
  caFile?: string;
  json: boolean;
}

/** @throws UsageError: a misspelt TRIBUTARY_URL or TRIBUTARY_API_KEY would address another gateway */
function checkSettingNames(): void {
  const given = Object.entries(process.env).filter((entry): entry is [string, string] => Boolean(entry[1]));
  const faults = unknownSettingFaults(Object.fromEntries(given));
  if (faults.length > 0) throw new UsageError(`invalid settings:\n  ${faults.join("\n  ")}`);
}

/** @throws UsageError that says where the URL comes from */
function checkUrl(url: string): void {
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return;
  const remedy = "Pass --url or set TRIBUTARY_URL, e.g. to http://127.0.0.1:8080.";
  throw new UsageError(`'${lineText(url)}' in --url or TRIBUTARY_URL is not an http or https URL`, remedy);
}

function certificatesOf(caFile = process.env["TRIBUTARY_CA_FILE"]): string[] | undefined {
  return caFile ? [...rootCertificates, readFileSync(caFile, "utf8")] : undefined;
}

/**
 * The command's flags. Includes the parent's, because commander assigns a flag that both define to the
 * parent: `rejects replay t --file f`.
 */
function flagsOf(command: Command): object {
  const { parent } = command;
  return { ...(parent?.parent ? parent.opts() : {}), ...command.opts() };
}

/** For commander: a positive whole number. */
export function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("Use a whole number of at least 1.");
  return value;
}

/** For commander: a port, as text for the setting TRIBUTARY_PORT. */
export function portText(text: string): string {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return text;
  throw new InvalidArgumentError("Use a whole number from 0 to 65535, as for TRIBUTARY_PORT.");
}

/** For commander: 30s, 5m, 2h, 90d, 500ms or bare seconds → milliseconds. */
export function durationMs(text: string): number {
  const parsed = parseDuration(text, "s");
  if ("fault" in parsed) throw new InvalidArgumentError(parsed.fault);
  return parsed.ms;
}

/** A duration with a default, which the help shows as it is typed: a bare number is seconds. */
export const durationOption = (flags: string, description: string, standard: string): Option =>
  new Option(flags, description).argParser(durationMs).default(durationMs(standard), standard);
