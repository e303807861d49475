import { TributaryError } from "../../../errors.ts";
import type { RestCatalog, RestCatalogOptions } from "../catalog/rest-catalog.ts";
import type { DoctorReport } from "./report.ts";
import { catalogCall, isMissing } from "../errors.ts";
import { physicalName } from "../names.ts";

/** How an unknown catalog is examined. */
export interface FirstStart {
  /** Duration of each race of writers. Default 3 s. */
  raceMs?: number;
  onExamining: (uri: string) => void;
  onExamined: (report: DoctorReport) => void;
}

const RACE_MS = 3_000;
const WRITERS = 4;
const EXAMINATION_MS_MAX = 180_000;

/**
 * Examines a catalog that Tributary has never used: its namespace has no `_ingest_files`. A catalog that
 * loses commits must not get the first row.
 * @throws CONFIG_INVALID for a catalog that is not fit; WAREHOUSE_UNAVAILABLE if the examination fails;
 *   WAREHOUSE_REFUSED
 */
export async function assertFit(
  { catalog, options }: { catalog: RestCatalog; options: RestCatalogOptions },
  namespace: readonly string[],
  { raceMs = RACE_MS, onExamining, onExamined }: FirstStart,
): Promise<void> {
  if (await isKnown(catalog, namespace)) return;
  onExamining(options.uri);
  const { examineCatalog } = await import("./examine.ts");
  const race = { ms: raceMs, writers: WRITERS };
  const signal = AbortSignal.timeout(EXAMINATION_MS_MAX);
  const report = await catalogCall(() => examineCatalog(options, { race, signal }));
  onExamined(report);
  if (report.fit) return;
  if (!report.results.some(({ needed, status }) => needed && status === "no")) {
    throw new TributaryError(
      "WAREHOUSE_UNAVAILABLE",
      `the Iceberg catalog ${options.uri} could not be examined: ${report.reasons.join("; ")}`,
    );
  }
  throw new TributaryError(
    "CONFIG_INVALID",
    `the Iceberg catalog ${options.uri} is not fit for commits: ${report.reasons.join("; ")}. ` +
      "`tributary doctor catalog` shows every check; name another catalog, or repair this one",
  );
}

async function isKnown(catalog: RestCatalog, namespace: readonly string[]): Promise<boolean> {
  const ledger = physicalName("_ingest_files");
  try {
    return (await catalog.listTables(namespace)).some(({ name }) => name === ledger);
  } catch (thrown) {
    if (isMissing(thrown)) return false;
    return catalogCall(() => Promise.reject(thrown as Error));
  }
}
