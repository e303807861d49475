/** The two Grafana dashboards; main.ts writes their files. */
import { INGESTION_LAG } from "./lag.ts";
import { OVERVIEW } from "./overview.ts";
import type { Dashboard } from "./panel.ts";

export type { Dashboard, Panel } from "./panel.ts";

export const DASHBOARDS: Readonly<Record<string, Dashboard>> = {
  "lakehouse-platform-overview": {
    uid: "tributary-overview",
    title: "Lakehouse Platform Overview",
    about: "Overview of services, files, rows, commits, storage, broker and Trino.",
    panels: OVERVIEW,
  },
  "ingestion-lag": {
    uid: "tributary-lag",
    title: "Ingestion Lag",
    about: "Lag of each consumer group per topic and table, time to catch up, and time per step of files.",
    panels: INGESTION_LAG,
  },
};
