import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, type Document } from "yaml";
import { systemClock } from "../clock.ts";
import { messageOf, TributaryError } from "../errors.ts";
import { contractSchema, defaultContract, type Contract, type ContractFault, type Contracts } from "./contract.ts";
import { withUnquotedTypes } from "./unquoted-types.ts";

const FILE_BYTES_MAX = 1024 * 1024;
const FILES_MAX = 20_000;

export interface ContractFile {
  path: string;
  text: string;
}

/** Contracts that follow their files. */
export interface LiveContracts extends Contracts {
  /** Takes the files of the folder over. A faulty file leaves the table's contract as it was. */
  take(files: readonly ContractFile[]): ContractsChange;
}

/** Tables whose contract became another one, or whose file is gone, so that the default contract counts. */
export interface ContractsChange {
  changed: string[];
  removed: string[];
  /** Faults that were not there before. */
  faults: ContractFault[];
}

/** Reads every *.yml and *.yaml file of a folder. @throws Error if the folder or a file cannot be read */
export const readContractFiles = (folder: string): ContractFile[] => contractFilesReader(folder)();

/** As `readContractFiles`, again and again: a file that is as it was is not read again. */
export function contractFilesReader(folder: string): () => ContractFile[] {
  let known = new Map<string, { stamp: string; text: string }>();
  return () => {
    const names = readdirSync(folder)
      .filter((name) => /^[^.].*\.ya?ml$/.test(name))
      .sort();
    if (names.length > FILES_MAX) throw new Error(`${folder} holds more than ${FILES_MAX} contracts`);
    const now = new Map<string, { stamp: string; text: string }>();
    const files = names.map((name) => {
      const path = join(folder, name);
      const stamp = stampOf(path);
      const before = known.get(path);
      const text = before && before.stamp === stamp ? before.text : readFileSync(path, "utf8");
      if (stamp !== undefined) now.set(path, { stamp, text });
      return { path, text };
    });
    known = now;
    return files;
  };
}

/** File times have the resolution of the kernel's tick: a younger file can change without a trace. */
const STAMP_AGE_MS_MIN = 1_000;

/** What changes whenever the file does; undefined if it is too young to tell. */
function stampOf(path: string): string | undefined {
  const { dev, ino, size, mtimeMs, ctimeMs } = statSync(path);
  if (size > FILE_BYTES_MAX) throw new Error(`${path} is larger than ${FILE_BYTES_MAX} bytes`);
  if (systemClock.nowMs() - Math.max(mtimeMs, ctimeMs) < STAMP_AGE_MS_MIN) return undefined;
  return `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;
}

/** The contracts of the files. A faulty one costs no other table anything: see `faults`. */
export function liveContracts(files: readonly ContractFile[]): LiveContracts {
  let inForce = new Map<string, { contract: Contract; text: string }>();
  let faults = new Map<string, ContractFault>();
  const tables = new Map<string, string>();
  const defaults = new Map<string, Contract>();
  const take = (now: readonly ContractFile[]): ContractsChange => {
    const before = { inForce, faults };
    const parsed = parseAll(now, tables);
    inForce = new Map([...parsed.valid]);
    faults = new Map();
    for (const [table, { path, faults: found }] of parsed.faulty) {
      const earlier = before.inForce.get(table);
      if (earlier) inForce.set(table, earlier);
      // A table whose first contract is faulty waits for it: the default one could write its rows wrongly.
      faults.set(table, { table, path, faults: found, inForce: earlier !== undefined });
    }
    return {
      changed: [...inForce]
        .filter(([table, { text }]) => before.inForce.get(table)?.text !== text)
        .map(([table]) => table),
      removed: [...before.inForce.keys()].filter((table) => !inForce.has(table)),
      faults: [...faults.values()].filter((fault) => {
        const known = before.faults.get(fault.table);
        return known?.faults.join("\n") !== fault.faults.join("\n");
      }),
    };
  };
  take(files);
  return {
    take,
    of(table) {
      const fault = faults.get(table);
      if (fault && !fault.inForce) throw invalid([fault]);
      const known = inForce.get(table)?.contract ?? defaults.get(table);
      if (known) return known;
      const made = defaultContract(table);
      if (defaults.size < 10_000) defaults.set(table, made);
      return made;
    },
    declared: () => [...inForce.values()].map(({ contract }) => contract),
    faults: () => [...faults.values()],
  };
}

/** The error that names every fault of the contracts. */
const invalid = (faults: readonly ContractFault[]): TributaryError => {
  const lines = faults.flatMap(({ faults: found }) => found);
  return new TributaryError("CONTRACT_INVALID", `invalid contracts:\n  ${lines.join("\n  ")}`);
};

/**
 * Reads the contracts of a folder. All of them must be valid. A missing folder is the same as an empty one.
 * @throws CONTRACT_INVALID listing every fault of every file
 */
export function loadContracts(folder: string): Contracts {
  const contracts = liveContracts(orNone(() => readContractFiles(folder)));
  if (contracts.faults().length > 0) throw invalid(contracts.faults());
  return contracts;
}

/** The files, none if their folder is missing. @throws what `read` throws otherwise */
export function orNone(read: () => ContractFile[]): ContractFile[] {
  try {
    return read();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Wraps contracts given as values. */
export function contractsOf(contracts: readonly Contract[]): Contracts {
  const empty = liveContracts([]);
  const byTable = new Map(contracts.map((contract) => [contract.table, contract]));
  return {
    of: (table) => byTable.get(table) ?? empty.of(table),
    declared: () => [...byTable.values()],
    faults: () => [],
  };
}

interface Parsed {
  valid: Map<string, { contract: Contract; text: string }>;
  faulty: Map<string, { path: string; faults: string[] }>;
}

/**
 * Two files for one table are a fault of the second one and leave the table without a new contract.
 * `tables`: by path, the tables of the files before; a faulty file still belongs to that table.
 */
function parseAll(files: readonly ContractFile[], tables: Map<string, string>): Parsed {
  const valid: Parsed["valid"] = new Map();
  const faulty: Parsed["faulty"] = new Map();
  const paths = new Map<string, string>();
  for (const { path, text } of files) {
    const { contract, faults: found } = parseOne(text);
    const table = contract?.table ?? tables.get(path) ?? tableIn(text) ?? basename(path).replace(/\.ya?ml$/, "");
    const other = paths.get(table);
    const twice = other === undefined ? [] : [`: table: '${table}' already has a contract in ${other}`];
    paths.set(table, path);
    if (contract && twice.length === 0) {
      valid.set(table, { contract, text });
      continue;
    }
    valid.delete(table);
    const lines = [...twice, ...(found ?? [])].map((fault) => `${path}${fault}`);
    faulty.set(table, { path, faults: [...(faulty.get(table)?.faults ?? []), ...lines] });
  }
  tables.clear();
  for (const [table, path] of paths) tables.set(path, table);
  return { valid, faulty };
}

/** The table that a faulty contract names, if it can still be read. */
const tableIn = (text: string): string | undefined => TABLE_LINE.exec(text)?.[1];

const TABLE_LINE = /^(?:table|"table"|'table')[ \t]*:[ \t]*["']?([a-z][a-z0-9_]*)["']?[ \t]*(?:#.*)?$/m;

/** Says where contracts are of another table than their file is named for. They count for that table. */
export function otherNames(files: readonly ContractFile[]): string[] {
  const declared = new Set(files.map(({ text }) => tableIn(text)));
  return files.flatMap(({ path, text }) => {
    const [table, name] = [tableIn(text), basename(path).replace(/\.ya?ml$/, "")];
    if (table === undefined || table === name) return [];
    const line = text.slice(0, text.search(TABLE_LINE)).split("\n").length;
    const effect = declared.has(name) ? "" : `: the table '${name}' has no contract`;
    return [`${path}:${line}: table: '${table}' is not the file's name '${name}'${effect}`];
  });
}

/** The contract, or all its faults, each as text after the file's path: `:line:column: field: fault`. */
function parseOne(text: string): { contract?: Contract; faults?: string[] } {
  const lines = new LineCounter();
  let parsed: Document;
  let given: unknown;
  try {
    parsed = parseDocument(text, { lineCounter: lines });
    given = parsed.toJS();
  } catch (error) {
    return { faults: [`: ${messageOf(error)}`] };
  }
  const syntax = parsed.errors.map(({ message, linePos }) => {
    const at = linePos ? `:${linePos[0].line}:${linePos[0].col}` : "";
    return `${at}: ${message.split("\n")[0] ?? ""}`;
  });
  // A key that is there twice leaves the rest readable.
  if (parsed.errors.some(({ code }) => code !== "DUPLICATE_KEY")) return { faults: syntax };
  const checked = contractSchema.safeParse(given);
  if (checked.success && syntax.length === 0) return { contract: checked.data };
  const issues = checked.success ? [] : withUnquotedTypes(checked.error.issues, given);
  const told = issues.map(({ path, message }) => {
    const { line, col } = lines.linePos(offsetOf(parsed, path));
    return `:${line}:${col}: ${path.join(".") || "(top)"}: ${message}`;
  });
  return { faults: [...syntax, ...told] };
}

/** Where the field of this path stands in the text; where it is missing, the place that lacks it. */
function offsetOf({ contents }: Document, path: readonly PropertyKey[]): number {
  let node: unknown = contents;
  let offset = contents?.range?.[0] ?? 0;
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
      if (!pair) break;
      offset = (pair.key as { range?: [number, number, number] }).range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node) && typeof key === "number") {
      node = node.items[key];
      offset = isNode(node) ? (node.range?.[0] ?? offset) : offset;
    } else break;
  }
  return offset;
}
