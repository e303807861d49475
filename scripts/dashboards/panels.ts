/** What the two Grafana dashboards show; dashboards.ts turns it into their files. */
import { INGESTION_LAG } from "./lag.ts";
import { OVERVIEW } from "./overview.ts";
import type { Dashboard } from "./panel.ts";

export type { Dashboard, Panel } from "./panel.ts";

export const DASHBOARDS: Readonly<Record<string, Dashboard>> = {
  "lakehouse-platform-overview": {
    uid: "tributary-overview",
    title: "Lakehouse Platform Overview",
    about: "Everything at a glance: services, files, rows, commits, storage, broker, Trino.",
    panels: OVERVIEW,
  },
  "ingestion-lag": {
    uid: "tributary-lag",
    title: "Ingestion Lag",
    about:
      "How far each consumer group is behind, per topic and table, when it will have caught up, and what files wait for.",
    panels: INGESTION_LAG,
  },
};
