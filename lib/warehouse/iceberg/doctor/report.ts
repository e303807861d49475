/** What a check found. `no` of a needed check makes the catalog unfit. `unknown`: the check itself failed. */
export type Status = "yes" | "partly" | "no" | "unknown" | "not offered";

export interface Finding {
  status: Status;
  /** What was counted or seen. */
  details: string;
}

export interface CheckResult extends Finding {
  /** Stable, for scripts. */
  check: string;
  /** What `yes` means. */
  question: string;
  /** True: Tributary cannot commit through a catalog without it. */
  needed: boolean;
}

export interface DoctorReport {
  catalog: string;
  fit: boolean;
  /** Why it is not fit; empty if it is. */
  reasons: string[];
  results: CheckResult[];
  /** What could not be dropped. */
  leftovers: string[];
}

const UNFIT: ReadonlySet<Status> = new Set(["no", "unknown"]);

export function reportOf(catalog: string, results: CheckResult[], leftovers: string[]): DoctorReport {
  const failed = results.filter(({ needed, status }) => needed && UNFIT.has(status));
  const reasons = failed.map(({ check, status, details }) =>
    status === "unknown" ? `${check} could not be examined: ${details}` : `${check}: ${details}`,
  );
  return { catalog, fit: failed.length === 0, reasons, results, leftovers };
}
