import { systemClock } from "../../../clock.ts";
import { openRestCatalog, type RestCatalogOptions } from "../catalog/rest-catalog.ts";
import { httpTransport } from "../catalog/transport.ts";
import { checkAtomic, checkHistory, checkRepeated, checkStale, checkSummary } from "./checks/commits.ts";
import { checkLostAnswers } from "./checks/lost-answers.ts";
import { checkRace, checkRaceOfTransactions, type RaceOptions } from "./checks/races.ts";
import {
  checkCreate,
  checkEndpoints,
  checkNames,
  checkRegister,
  checkRename,
  checkViews,
  failedFinding,
} from "./checks/resources.ts";
import { lossyTransport, type LossyTransport } from "./lossy-transport.ts";
import { reportOf, type CheckResult, type DoctorReport, type Finding } from "./report.ts";
import { Scratch } from "./scratch.ts";

export interface ExamineOptions {
  /** An existing namespace for the scratch tables. Default: a new one. */
  namespace?: readonly string[] | undefined;
  race: RaceOptions;
  signal: AbortSignal;
  /** Called before each check. */
  onCheck?: (check: string) => void;
}

interface Check {
  check: string;
  question: string;
  needed: boolean;
  run: (scratch: Scratch) => Promise<Finding>;
}

const checksOf = (race: RaceOptions, transport: LossyTransport): Check[] => [
  { check: "endpoints", question: "has the endpoints that Tributary uses", needed: true, run: checkEndpoints },
  { check: "summaries", question: "keeps ids and summaries of snapshots", needed: true, run: checkSummary },
  { check: "history", question: "serves the whole history", needed: true, run: checkHistory },
  { check: "stale commits", question: "refuses a commit on an old snapshot", needed: true, run: checkStale },
  { check: "repeated commits", question: "applies an identical commit once", needed: true, run: checkRepeated },
  {
    check: "lost answers",
    question: "lets a client find out what became of a commit",
    needed: true,
    run: (scratch) => checkLostAnswers(scratch, transport),
  },
  {
    check: "race",
    question: "keeps every acknowledged commit when writers race",
    needed: true,
    run: (scratch) => checkRace(scratch, race, "table"),
  },
  {
    check: "race by transactions",
    question: "the same through transactions/commit, which DuckDB uses",
    needed: true,
    run: (scratch) => checkRace(scratch, race, "transaction"),
  },
  {
    check: "atomic transactions",
    question: "changes all tables of a transaction or none",
    needed: false,
    run: checkAtomic,
  },
  {
    check: "race of transactions",
    question: "the same for two tables when writers race",
    needed: false,
    run: (scratch) => checkRaceOfTransactions(scratch, race),
  },
  { check: "create", question: "refuses to create a table that exists", needed: false, run: checkCreate },
  { check: "names", question: "takes any name of a table", needed: false, run: checkNames },
  { check: "rename", question: "renames tables", needed: false, run: checkRename },
  { check: "register", question: "takes over existing tables", needed: false, run: checkRegister },
  { check: "views", question: "has views", needed: false, run: checkViews },
];

/**
 * Finds out on scratch tables what a catalog can do, and drops them. The tables hold no rows and no files of
 * Tributary.
 * @throws CatalogError if the catalog cannot be reached, or refuses the login or a namespace
 */
export async function examineCatalog(options: RestCatalogOptions, examine: ExamineOptions): Promise<DoctorReport> {
  const { clock = systemClock, ca } = options;
  const transport = lossyTransport(httpTransport({ ca }));
  const catalog = await openRestCatalog(options);
  try {
    const lossy = await openRestCatalog({ ...options, transport });
    const { signal, namespace } = examine;
    const scratch = await Scratch.open({ catalog, lossy, clock, signal, namespace });
    const results: CheckResult[] = [];
    let leftovers: string[] = [];
    try {
      for (const { run, ...about } of checksOf(examine.race, transport)) {
        signal.throwIfAborted();
        examine.onCheck?.(about.check);
        results.push({ ...about, ...(await run(scratch).catch(failedFinding)) });
      }
    } finally {
      leftovers = await scratch.close();
    }
    return reportOf(options.uri, results, leftovers);
  } finally {
    catalog.close();
    transport.close();
  }
}
