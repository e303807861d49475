/** The contracts of a process: read at its start, followed while it runs. Only run-service.ts uses it. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Clock } from "../lib/clock.ts";
import type { Contracts } from "../lib/contract/contract.ts";
import {
  contractFilesReader,
  liveContracts,
  orNone,
  type ContractFile,
  type ContractsChange,
  type LiveContracts,
} from "../lib/contract/load.ts";
import { messageOf, TributaryError } from "../lib/errors.ts";
import type { PlatformSettings } from "../lib/process/config.ts";
import { followContents } from "../lib/process/followed-files.ts";
import type { Logger } from "../lib/process/logger.ts";
import { contractsFaultyGauge, type Registry } from "../lib/process/metrics.ts";
import type { Scope } from "../lib/process/scope.ts";

const FOLDER_DEFAULT = "contracts";
const POLL_MS_MIN = 1_000;
/** Looking at one file takes about a hundredth of it. */
const POLL_MS_PER_FILE = 1;

export interface ContractsContext {
  scope: Scope;
  settings: PlatformSettings;
  clock: Clock;
  logger: Logger;
  registry: Registry;
}

/**
 * Reads the folder of TRIBUTARY_CONTRACTS_DIR and follows it until the scope closes. A faulty contract stops
 * nothing but its own table, and only until it is corrected.
 * @throws CONFIG_INVALID if the folder cannot be read
 */
export function openContracts({ scope, settings, clock, logger, registry }: ContractsContext): Contracts {
  const folder = resolve(settings.TRIBUTARY_CONTRACTS_DIR ?? FOLDER_DEFAULT);
  const exists = existsSync(folder);
  const read = contractFilesReader(folder);
  const first = firstFiles(folder, read);
  const contracts = liveContracts(first);
  const faulty = contractsFaultyGauge(registry);
  const count = contracts.declared().length;
  const name = count === 1 ? "1 contract" : `${count} contracts`;
  logger.info({ folder, exists, contracts: count }, `${name} from ${folder}${exists ? "" : " (no such folder)"}`);
  report({ changed: [], removed: [], faults: [...contracts.faults()] }, contracts, logger);
  faulty.set(contracts.faults().length);

  const following = followContents(
    async () => {
      try {
        // Without a folder at the start, a missing one is no news; later it is.
        return textsOf(exists ? read() : orNone(read));
      } catch (error) {
        return error instanceof Error ? error : new Error(String(error));
      }
    },
    textsOf(first),
    {
      clock,
      everyMs: Math.max(POLL_MS_MIN, first.length * POLL_MS_PER_FILE),
      take: (texts) => {
        report(contracts.take(filesOf(texts)), contracts, logger);
        faulty.set(contracts.faults().length);
      },
      onRefused: (detail) => {
        faulty.set(Math.max(1, contracts.declared().length));
        logger.error({ folder, detail }, "cannot read the contracts: THE EARLIER CONTRACTS STAY IN FORCE");
      },
    },
  );
  return scope.own("contracts", contracts, () => following.close());
}

function firstFiles(folder: string, read: () => ContractFile[]): ContractFile[] {
  try {
    return orNone(read);
  } catch (error) {
    throw new TributaryError("CONFIG_INVALID", `TRIBUTARY_CONTRACTS_DIR ${folder}: ${messageOf(error)}`);
  }
}

const textsOf = (files: readonly ContractFile[]): string[] => files.flatMap(({ path, text }) => [path, text]);

const filesOf = (texts: readonly string[]): ContractFile[] =>
  texts.flatMap((path, index) => (index % 2 === 0 ? [{ path, text: texts[index + 1]! }] : []));

function report({ changed, removed, faults }: ContractsChange, contracts: LiveContracts, logger: Logger): void {
  for (const table of changed) {
    const { writeMode, key } = contracts.of(table);
    logger.info({ table, writeMode, key }, "contract taken over");
  }
  for (const table of removed) {
    if (contracts.faults().some((fault) => fault.table === table)) continue;
    logger.warn({ table }, "contract removed: THE TABLE'S NEXT FILES ARE WRITTEN BY THE DEFAULT CONTRACT");
  }
  for (const { table, faults: found, inForce } of faults) {
    const effect = inForce ? "THE EARLIER CONTRACT STAYS IN FORCE" : "THE TABLE ACCEPTS NO FILES UNTIL IT IS CORRECTED";
    logger.error({ table, faults: found }, `faulty contract: ${effect}`);
  }
}
