import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse as parseYaml, YAMLParseError } from "yaml";
import { messageOf, TributaryError } from "../errors.ts";
import { contractSchema, defaultContract, type Contract, type Contracts } from "./contract.ts";

/**
 * Reads every *.yml and *.yaml file of a folder. A missing folder is the same as an empty one.
 * @throws CONTRACT_INVALID listing every fault of every file
 */
export function loadContracts(folder: string): Contracts {
  const faults: string[] = [];
  const byTable = new Map<string, Contract>();
  for (const file of contractFiles(folder)) {
    const path = join(folder, file);
    let document: unknown;
    try {
      document = parseYaml(readFileSync(path, "utf8"));
    } catch (error) {
      const at =
        error instanceof YAMLParseError && error.linePos ? `:${error.linePos[0].line}:${error.linePos[0].col}` : "";
      faults.push(`${path}${at}: ${messageOf(error).split("\n")[0] ?? ""}`);
      continue;
    }
    const parsed = contractSchema.safeParse(document);
    if (!parsed.success) {
      faults.push(
        ...parsed.error.issues.map((issue) => `${path}: ${issue.path.join(".") || "(top)"}: ${issue.message}`),
      );
    } else if (byTable.has(parsed.data.table)) {
      faults.push(`${path}: table: '${parsed.data.table}' already has a contract in another file`);
    } else {
      byTable.set(parsed.data.table, parsed.data);
    }
  }
  if (faults.length > 0) throw new TributaryError("CONTRACT_INVALID", `invalid contracts:\n  ${faults.join("\n  ")}`);
  return contractsOf([...byTable.values()]);
}

/** Wraps contracts given as values. */
export function contractsOf(contracts: readonly Contract[]): Contracts {
  const byTable = new Map(contracts.map((contract) => [contract.table, contract]));
  const defaults = new Map<string, Contract>();
  return {
    of(table) {
      const known = byTable.get(table) ?? defaults.get(table);
      if (known) return known;
      const made = defaultContract(table);
      if (defaults.size < 10_000) defaults.set(table, made);
      return made;
    },
    declared: () => [...byTable.values()],
  };
}

function contractFiles(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => /\.ya?ml$/.test(name))
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
