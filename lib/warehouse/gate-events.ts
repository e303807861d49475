/** What happens at the gate in front of an Iceberg catalog, for metrics and log lines. */
export type GateEvent =
  | { readonly event: "attempt"; readonly answer: "accepted" | "refused" | "away" | "lost"; readonly message?: string }
  | {
      readonly event: "commit";
      readonly outcome: "committed" | "refused" | "unavailable" | "partial" | "unknown";
      readonly tables: readonly string[];
      readonly attempts: number;
      readonly durationMs: number;
      readonly message?: string;
    }
  /** A request that is no commit was forwarded; `status` is what the writer got. */
  | { readonly event: "forward"; readonly status: number; readonly durationMs: number }
  /** A request that the gate itself refused. */
  | { readonly event: "refuse"; readonly status: number; readonly message: string }
  /** The writer reported a failure of a transaction that is committed. */
  | { readonly event: "writer-failed"; readonly tables: readonly string[]; readonly error: unknown };

/** Trino writes a table, because of a guard of DuckDB's Iceberg writer. */
export interface Fallback {
  readonly table: string;
  readonly guard: string;
  readonly message: string;
}
