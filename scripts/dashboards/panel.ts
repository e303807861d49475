/** A Grafana panel in our words. */

/** A panel before it has a place: what it shows, and the query or queries, each with the name of its lines. */
export interface Panel {
  title: string;
  /** What a reader should know about it. */
  about: string;
  kind: "stat" | "gauge" | "timeseries" | "table" | "bars";
  unit: string;
  /** Of a table: the name of each query's column is its legend; unit, if not the panel's, after a bar. */
  queries: readonly (readonly [expr: string, legend: string])[];
  /** Of 24 columns. */
  width: number;
  /** Values from which the colour is orange, then red. */
  limits?: readonly [number, number];
  /** Lines on top of each other, that their sum shows. */
  stacked?: true;
  /** Of bars: one bar for each value of the first label, made up of parts by the second. */
  bars?: readonly [of: string, parts: string];
  /** Asks Redpanda's own metrics, which the local stack's Kafka does not have. */
  redpandaOnly?: true;
}

export interface Dashboard {
  uid: string;
  title: string;
  about: string;
  panels: readonly Panel[];
}

export const quantile = (q: number, histogram: string, by = ""): string =>
  `histogram_quantile(${q}, sum by (le${by}) (rate(${histogram}_bucket[5m])))`;

/** On both dashboards. */
export const END_TO_END: Omit<Panel, "width"> = {
  title: "End-to-end latency",
  about: "From a file's arrival until its rows can be queried.",
  kind: "timeseries",
  unit: "s",
  queries: [
    [quantile(0.5, "tributary_committer_end_to_end_seconds"), "half"],
    [quantile(0.95, "tributary_committer_end_to_end_seconds"), "95 %"],
    [quantile(0.99, "tributary_committer_end_to_end_seconds"), "99 %"],
  ],
};
