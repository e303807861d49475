/** A Grafana panel without a position: title, description, and queries with their legends. */
export interface Panel {
  title: string;
  /** Description, shown in Grafana. */
  about: string;
  kind: "stat" | "gauge" | "timeseries" | "table" | "bars";
  unit: string;
  /** In a table the legend is the column's name, with its unit after "|" if it differs from the panel's. */
  queries: readonly (readonly [expr: string, legend: string])[];
  /** In columns of a 24-column grid. */
  width: number;
  /** Thresholds of orange and red. */
  limits?: readonly [number, number];
  /** Stack the lines, so that the top shows their sum. */
  stacked?: true;
  /** For bars: one bar per value of the first label, one part per value of the second. */
  bars?: readonly [of: string, parts: string];
  /** Uses metrics of Redpanda or PostgreSQL's exporter, which the local stack does not have. */
  composeOnly?: true;
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
    [quantile(0.5, "tributary_committer_end_to_end_seconds"), "50 %"],
    [quantile(0.95, "tributary_committer_end_to_end_seconds"), "95 %"],
    [quantile(0.99, "tributary_committer_end_to_end_seconds"), "99 %"],
  ],
};
