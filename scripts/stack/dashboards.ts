import { writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { DASHBOARDS, type Dashboard, type Panel } from "./dashboard-panels.ts";
import { INFRA } from "./paths.ts";

const DATASOURCE = { type: "prometheus", uid: "prometheus" };
const COLUMNS = 24;
const heightOf = ({ kind }: Panel): number => (kind === "stat" || kind === "gauge" ? 4 : 8);

/** The dashboard as Grafana reads it. Panels flow from left to right, then down. */
export function grafanaJson({ uid, title, about, panels }: Dashboard): object {
  let [x, y, rowHeight] = [0, 0, 0];
  const placed = panels.map((panel, index) => {
    if (x + panel.width > COLUMNS) [x, y, rowHeight] = [0, y + rowHeight, 0];
    const gridPos = { x, y, w: panel.width, h: heightOf(panel) };
    x += panel.width;
    rowHeight = Math.max(rowHeight, gridPos.h);
    return { id: index + 1, gridPos, ...panelJson(panel) };
  });
  return {
    uid,
    title,
    description: about,
    tags: ["tributary"],
    timezone: "browser",
    editable: true,
    graphTooltip: 1,
    refresh: "30s",
    time: { from: "now-1h", to: "now" },
    schemaVersion: 41,
    version: 1,
    templating: { list: [] },
    annotations: { list: [] },
    panels: placed,
  };
}

function panelJson({ title, about, kind, unit, queries, limits }: Panel): object {
  const steps = [
    { color: "green", value: null },
    ...(limits ? [{ color: "orange", value: limits[0] }] : []),
    ...(limits && limits[1] !== limits[0] ? [{ color: "red", value: limits[1] }] : []),
  ];
  const now = kind !== "timeseries";
  return {
    type: kind,
    title,
    description: about,
    datasource: DATASOURCE,
    targets: queries.map(([expr, legendFormat], index) => ({
      refId: String.fromCharCode("A".charCodeAt(0) + index),
      datasource: DATASOURCE,
      expr,
      legendFormat,
      ...(now ? { instant: true, range: false } : { instant: false, range: true }),
      ...(kind === "table" ? { format: "table" } : {}),
    })),
    fieldConfig: {
      defaults: {
        unit,
        ...(kind === "gauge" ? { min: 0, max: 1 } : { min: 0 }),
        thresholds: { mode: "absolute", steps },
        ...(kind === "timeseries" ? { custom: { fillOpacity: 10, showPoints: "never" } } : {}),
      },
      overrides: [],
    },
    options: optionsOf(kind),
  };
}

function optionsOf(kind: Panel["kind"]): object {
  const reduceOptions = { calcs: ["lastNotNull"], fields: "", values: false };
  switch (kind) {
    case "stat":
      return { reduceOptions, colorMode: "value", graphMode: "none", textMode: "auto" };
    case "gauge":
      return { reduceOptions, showThresholdMarkers: true };
    case "timeseries":
      return { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi", sort: "desc" } };
    case "table":
      return { showHeader: true };
  }
}

/** The text of a dashboard's file. */
export const dashboardFile = (dashboard: Dashboard): string =>
  `${JSON.stringify(grafanaJson(dashboard), undefined, 2)}\n`;

/** `node --import tsx scripts/stack/dashboards.ts` writes infra/grafana/dashboards/*.json. */
if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  for (const [name, dashboard] of Object.entries(DASHBOARDS)) {
    await writeFile(`${INFRA}/grafana/dashboards/${name}.json`, dashboardFile(dashboard));
  }
}
