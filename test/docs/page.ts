/** Reads the steps of a page of the documentation, and compares what commands print with what the page shows. */

/** A file to save: a block whose first line names the file after its language, such as ```csv january.csv. */
export interface FileStep {
  kind: "file";
  path: string;
  text: string;
}

/** A command of a block ```console: a line that begins with `$`, with the output shown below it. */
export interface CommandStep {
  kind: "command";
  command: string;
  shown: string[];
  /** The page asks to repeat the command until it shows this: the block is ```console retry. */
  retry: boolean;
  /** Line of the page, from 1. */
  line: number;
}

export function stepsOf(page: string): (FileStep | CommandStep)[] {
  const steps: (FileStep | CommandStep)[] = [];
  let block: string | undefined;
  let command: CommandStep | undefined;
  let file: FileStep | undefined;
  for (const [index, line] of page.split("\n").entries()) {
    if (line.startsWith("```")) {
      const info = line.slice(3).trim();
      const opened = block === undefined;
      block = opened ? info : undefined;
      command = undefined;
      const [language, path] = info.split(" ");
      file = opened && path !== undefined && language !== "console" ? { kind: "file", path, text: "" } : undefined;
      if (file) steps.push(file);
    } else if (file) {
      file.text += `${line}\n`;
    } else if (block?.startsWith("console")) {
      if (line.startsWith("$ ")) {
        command = {
          kind: "command",
          command: line.slice(2),
          shown: [],
          retry: block.endsWith(" retry"),
          line: index + 1,
        };
        steps.push(command);
      } else {
        command?.shown.push(line);
      }
    }
  }
  return steps;
}

/**
 * What a command prints against what the page shows: undefined if they agree. `…` in a shown line stands for
 * any text, a line `…` for any lines. The width of gaps between columns does not count.
 */
export function differenceOf(shown: readonly string[], output: string): string | undefined {
  const printed = plain(output.trimEnd().split("\n"));
  const wanted = plain(shown);
  const lines = wanted.map((line) => (line === "…" ? "(?:.*\n)*" : `${line.split("…").map(escaped).join(".*")}\n`));
  const pattern = new RegExp(`^${lines.join("")}$`);
  if (pattern.test(printed.map((line) => `${line}\n`).join(""))) return undefined;
  return `shown:\n${wanted.join("\n")}\nprinted:\n${printed.join("\n")}`;
}

const plain = (lines: readonly string[]): string[] => lines.map((line) => line.replace(/ +/g, " ").trim());

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
