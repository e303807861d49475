import type { Command } from "commander";

/** Fields of the API whose option has another name. */
const OPTIONS: ReadonlyMap<string, readonly string[]> = new Map([
  ["skipRows", ["skip"]],
  ["rowsMax", ["rows", "limit"]],
  ["sql", ["file"]],
]);
/** Fields of the API whose argument has another name. */
const ARGUMENTS: ReadonlyMap<string, readonly string[]> = new Map([
  ["fileId", ["id"]],
  ["sourceFile", ["name"]],
  ["from", ["table", "name"]],
]);

type Described = Pick<Command, "options" | "registeredArguments">;

/**
 * A message of the gateway with the options and arguments of the command in place of the API's fields:
 * `query.skipRows: …` and `skipRows=0` as `--skip: …` and `--skip 0`. Only names that are written as a field
 * are replaced: after the part of the request, before a colon at the start of a sentence, with a value, in
 * backticks, or in camel case. Other words may be prose.
 */
export function withFlags(message: string, command: Described): string {
  const shown = (name: string): string | undefined => flagOf(command, name) ?? argumentOf(command, name);
  return message
    .replace(/`([A-Za-z]\w*)`/g, (whole, name: string) => shown(name) ?? whole)
    .replace(
      /(?<![\w.-])(?:query|querystring|body|params)\.([A-Za-z]\w*)/g,
      (whole, name: string) => shown(name) ?? whole,
    )
    .replace(/(?<![\w.`'"/?&-])([a-z]\w*)=([\w.-]*\w)/g, (whole, name: string, value: string) => {
      const flag = flagOf(command, name);
      return flag === undefined ? whole : `${flag} ${value}`;
    })
    .replace(/(^|; )([a-z]\w*)(?=: )/g, (whole, before: string, name: string) => {
      const flag = shown(name);
      return flag === undefined ? whole : before + flag;
    })
    .replace(
      /(?<![\w.`'"/?&-])([a-z]+[A-Z]\w*)(?![\w'"`]|\.\w)/g,
      (whole, name: string) => flagOf(command, name) ?? whole,
    );
}

function flagOf({ options }: Described, name: string): string | undefined {
  const names = [name, ...(OPTIONS.get(name) ?? [])];
  const own = names.flatMap((one) => options.filter((option) => !option.negate && option.attributeName() === one));
  return own[0]?.long ?? undefined;
}

function argumentOf({ registeredArguments }: Described, name: string): string | undefined {
  const names = [name, ...(ARGUMENTS.get(name) ?? [])];
  const own = names.flatMap((one) => registeredArguments.filter((argument) => argument.name() === one));
  return own[0] && `<${own[0].name()}>`;
}
