import { createInterface, type Interface } from "node:readline/promises";
import { UsageError } from "../output.ts";

/** Where a person is asked. */
export interface Terminal {
  input: NodeJS.ReadableStream;
  output: NodeJS.WritableStream;
}

/** A change that takes something away. */
export interface Change {
  /** What it would do, as its dry run says. */
  plan: () => Promise<string>;
  question: string;
}

export const YES = ["--yes", "do not ask; needed without a terminal"] as const;
export const CONFIRM = [
  "--confirm <table>",
  "the table's present name again; not needed with --dry-run, and asked for on a terminal",
] as const;

interface Asking {
  terminal: Terminal | undefined;
}

/**
 * Shows the plan on a terminal and asks. Resolves to the flags with the reason that was given there;
 * undefined: the answer was no. With `yes` it asks nothing. A `reason` that is null is not asked for.
 * @throws UsageError without a terminal and without `yes`
 */
export async function consentTo<Flags extends { yes?: boolean | undefined; reason?: string | null | undefined }>(
  { terminal }: Asking,
  flags: Flags,
  change: Change,
): Promise<Flags | undefined> {
  if (flags.yes) return flags;
  if (!terminal) {
    throw new UsageError("not confirmed: nobody can be asked here", "Look with --dry-run, then add --yes.");
  }
  return ask(terminal, change, `${change.question} [y/N] `, async (answer, more) =>
    /^y(es)?$/i.test(answer) ? { ...flags, ...(await reasonOf(flags, more)) } : undefined,
  );
}

/**
 * As `consentTo`, for changes that want the table's name again. Without a terminal the gateway asks for it.
 */
export async function nameAgain<Flags extends { confirm?: string | undefined; reason?: string | undefined }>(
  { terminal }: Asking,
  flags: Flags,
  change: Change & { table: string },
): Promise<Flags | undefined> {
  if (flags.confirm !== undefined || !terminal) return flags;
  return ask(terminal, change, `${change.question} Type the name '${change.table}': `, async (answer, more) =>
    answer === change.table ? { ...flags, confirm: answer, ...(await reasonOf(flags, more)) } : undefined,
  );
}

type Question = (text: string) => Promise<string>;

async function ask<T>(
  { input, output }: Terminal,
  { plan }: Change,
  question: string,
  then: (answer: string, more: Question) => Promise<T | undefined>,
): Promise<T | undefined> {
  output.write(`${await plan()}\n\n`);
  const lines = createInterface({ input, output });
  const next = answering(lines);
  try {
    const taken = await then(await next(question), next);
    if (taken === undefined) output.write("nothing was changed\n");
    return taken;
  } finally {
    lines.close();
  }
}

/** The end of the input, or Ctrl-C, is an empty answer. */
function answering(lines: Interface): Question {
  const closed = new Promise<string>((resolve) => lines.once("close", () => resolve("")));
  return async (text) => (await Promise.race([lines.question(text), closed])).trim();
}

async function reasonOf({ reason }: { reason?: string | null | undefined }, more: Question): Promise<object> {
  if (reason !== undefined) return {};
  const given = await more("Reason, for the record (Enter: none): ");
  return given === "" ? {} : { reason: given };
}
