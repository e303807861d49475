/** Writes the dashboards' JSON, typed by Grafana's SDK: `node --import tsx scripts/dashboards/main.ts`. */
import type * as barchart from "@grafana/grafana-foundation-sdk/barchart";
import type * as common from "@grafana/grafana-foundation-sdk/common";
import type * as grafana from "@grafana/grafana-foundation-sdk/dashboard";
import type * as gauge from "@grafana/grafana-foundation-sdk/gauge";
import type * as prometheus from "@grafana/grafana-foundation-sdk/prometheus";
import type * as stat from "@grafana/grafana-foundation-sdk/stat";
import type * as table from "@grafana/grafana-foundation-sdk/table";
import type * as timeseries from "@grafana/grafana-foundation-sdk/timeseries";
import { writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { DASHBOARDS, type Dashboard, type Panel } from "./panels.ts";
import { INFRA } from "../stack/paths.ts";

/** The JSON form of the SDK's types: enumerations become strings and numbers. */
type Json<T> = T extends string
  ? `${T}`
  : T extends number
    ? number
    : T extends object
      ? { [K in keyof T]: Json<T[K]> }
      : T;

type PanelJson = Omit<Json<grafana.Panel>, "targets"> & { targets: Json<Partial<QueryFields>>[] };
/** Without the field that the SDK's builder needs. */
type QueryFields = Omit<prometheus.Dataquery, "_implementsDataqueryVariant">;
// eslint-disable-next-line @typescript-eslint/no-deprecated -- every Grafana version can provision it
type DashboardJson = Omit<Json<grafana.Dashboard>, "panels"> & { panels: PanelJson[] };

const DATASOURCE = { type: "prometheus", uid: "prometheus" } as const;
const COLUMNS = 24;
const heightOf = ({ kind }: Panel): number => (kind === "stat" || kind === "gauge" ? 4 : 8);

/** The dashboard as Grafana's JSON. Panels are placed from left to right, then down. */
export function grafanaJson({ uid, title, about, panels }: Dashboard): DashboardJson {
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

const TYPES = { stat: "stat", gauge: "gauge", timeseries: "timeseries", table: "table", bars: "barchart" } as const;

const refIdOf = (index: number): string => String.fromCharCode("A".charCodeAt(0) + index);

function panelJson(panel: Panel): PanelJson {
  const { title, about, kind, queries } = panel;
  const now = kind !== "timeseries";
  return {
    type: TYPES[kind],
    title,
    description: about,
    datasource: DATASOURCE,
    targets: queries.map(([expr, legendFormat], index) => ({
      refId: refIdOf(index),
      datasource: DATASOURCE,
      expr,
      legendFormat,
      ...(now ? { instant: true, range: false } : { instant: false, range: true }),
      ...(kind === "table" || kind === "bars" ? { format: "table" as const } : {}),
    })),
    fieldConfig: fieldConfigOf(panel),
    options: optionsOf(panel),
    ...transformationsOf(panel),
  };
}

function fieldConfigOf({ kind, unit, queries, limits, stacked }: Panel): Json<grafana.FieldConfigSource> {
  const steps = [
    { color: "green", value: null },
    ...(limits ? [{ color: "orange", value: limits[0] }] : []),
    ...(limits && limits[1] !== limits[0] ? [{ color: "red", value: limits[1] }] : []),
  ];
  const lines: Json<timeseries.FieldConfig> = {
    fillOpacity: stacked ? 60 : 10,
    showPoints: "never",
    ...(stacked ? { stacking: { mode: "normal", group: "A" } } : {}),
  };
  const columns = kind === "table" ? queries.map(([, legend]) => legend.split("|")) : [];
  return {
    defaults: {
      unit,
      min: 0,
      ...(kind === "gauge" ? { max: 1 } : {}),
      thresholds: { mode: "absolute", steps },
      ...(kind === "timeseries" ? { custom: lines } : {}),
      ...(kind === "bars" ? { custom: { fillOpacity: 80 } satisfies Json<barchart.FieldConfig> } : {}),
    },
    overrides: columns
      .filter(([, columnUnit]) => columnUnit !== undefined)
      .map(([name, columnUnit]) => ({
        matcher: { id: "byName", options: name },
        properties: [{ id: "unit", value: columnUnit }],
      })),
  };
}

/**
 * Tables: one row per label set, one column per query, no time. Bars: one row per bar, one column per part.
 */
function transformationsOf({ kind, queries, bars }: Panel): Pick<Json<grafana.Panel>, "transformations"> {
  if (kind === "bars") {
    const [rowField, columnField] = bars!;
    return { transformations: [{ id: "groupingToMatrix", options: { rowField, columnField, valueField: "Value" } }] };
  }
  if (kind !== "table") return {};
  const names = queries.map(([, legend], index) => [
    queries.length === 1 ? "Value" : `Value #${refIdOf(index)}`,
    legend.split("|")[0],
  ]);
  return {
    transformations: [
      { id: "merge", options: {} },
      { id: "organize", options: { excludeByName: { Time: true }, renameByName: Object.fromEntries(names) as object } },
    ],
  };
}

function optionsOf({ kind, queries, bars }: Panel): object {
  const reduceOptions: Json<common.ReduceDataOptions> = { calcs: ["lastNotNull"], fields: "", values: false };
  switch (kind) {
    case "stat":
      return {
        reduceOptions,
        colorMode: "value",
        graphMode: "none",
        textMode: "auto",
      } satisfies Json<Partial<stat.Options>>;
    case "gauge":
      return { reduceOptions, showThresholdMarkers: true } satisfies Json<Partial<gauge.Options>>;
    case "timeseries":
      return {
        legend: { displayMode: "list", placement: "bottom", showLegend: true, calcs: [] },
        tooltip: { mode: "multi", sort: "desc" },
      } satisfies Json<Partial<timeseries.Options>>;
    case "table":
      return {
        showHeader: true,
        sortBy: [{ displayName: queries[0]![1].split("|")[0]!, desc: true }],
      } satisfies Json<Partial<table.Options>>;
    case "bars":
      return {
        xField: bars!.join("\\"),
        orientation: "horizontal",
        stacking: "normal",
        showValue: "never",
        legend: { displayMode: "list", placement: "bottom", showLegend: true, calcs: [] },
        tooltip: { mode: "multi", sort: "none" },
      } satisfies Json<Partial<barchart.Options>>;
  }
}

/** The text of a dashboard's file. */
export const dashboardFile = (dashboard: Dashboard): string =>
  `${JSON.stringify(grafanaJson(dashboard), undefined, 2)}\n`;

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  for (const [name, dashboard] of Object.entries(DASHBOARDS)) {
    await writeFile(`${INFRA}/grafana/dashboards/${name}.json`, dashboardFile(dashboard));
  }
}
