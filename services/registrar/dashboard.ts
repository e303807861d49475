import { nameUuid } from "./name-uuid.ts";
import type { SupersetApi } from "./superset-api.ts";

/** A chart of one dataset, in the form that Superset's chart editor saves. */
export interface ChartDefinition {
  name: string;
  vizType: string;
  /** Parameters of the chart editor and of the browser's data requests. */
  params: Record<string, unknown>;
  /** The query of the chart data API, used by reports and other programs. */
  query: Record<string, unknown>;
  /** Number of the dashboard's 12 columns. */
  width: number;
  /** In units of 8 pixels. */
  height: number;
}

export type FilterDefinition = { kind: "time"; name: string } | { kind: "values"; name: string; column: string };

export interface DashboardDefinition {
  title: string;
  /** Part of its address: /superset/dashboard/<slug>/ */
  slug: string;
  table: string;
  /** Columns that the table must have: an unrelated table can have the same name. */
  columns: readonly string[];
  /** Native filters: a range of time over the charts' time filters, or values of a column. */
  filters: readonly FilterDefinition[];
  rows: readonly (readonly ChartDefinition[])[];
}

/** A dashboard's layout: nodes by id. `meta` of a chart node identifies the chart. */
type Layout = Record<string, LayoutNode | string>;
interface LayoutNode {
  id: string;
  type: string;
  children: string[];
  parents?: string[];
  meta?: Record<string, unknown>;
}

interface DashboardAnswer {
  result: { id: number; position_json: string | null; json_metadata: string | null };
}

/**
 * Creates the missing charts and the missing dashboard. Existing ones are not changed, because people may
 * have edited them. A deleted chart is created again and put back at its position if the dashboard still has
 * that.
 */
export async function ensureDashboard(
  api: SupersetApi,
  definition: DashboardDefinition,
  datasetId: number,
): Promise<"created" | "repaired" | "complete" | "not for this table"> {
  const dataset = await api.get<{ result: { columns: { column_name: string }[] } }>(`dataset/${datasetId}`);
  const columns = new Set(dataset.result.columns.map(({ column_name: name }) => name));
  if (!definition.columns.every((name) => columns.has(name))) return "not for this table";

  const ids = new Map<string, number>();
  for (const chart of definition.rows.flat()) ids.set(chart.name, await ensureChart(api, chart, datasetId));

  const uuid = nameUuid("dashboard", definition.slug);
  let dashboard = await api.find<DashboardAnswer>(`dashboard/${uuid}`);
  if (!dashboard) {
    const { title, slug } = definition;
    await api.post("dashboard/", { dashboard_title: title, slug, uuid, published: true });
    dashboard = await api.get<DashboardAnswer>(`dashboard/${uuid}`);
  }
  const { id, position_json: layout, json_metadata: metadata } = dashboard.result;
  const positions = missingLayout(definition, ids, JSON.parse(layout || "{}") as Layout);
  if (!positions) return "complete";
  const isNew = !layout || layout === "{}";
  // Superset stores the layout and links its charts to the dashboard in one transaction. Metadata left out is
  // lost. People may have removed filters, so only a new dashboard gets ours.
  const known = JSON.parse(metadata || "{}") as object;
  const filters = isNew ? { native_filter_configuration: filtersOf(definition, datasetId) } : {};
  await api.put(`dashboard/${id}`, { json_metadata: JSON.stringify({ ...known, ...filters, positions }) });
  return isNew ? "created" : "repaired";
}

/** Native filters as Superset stores them, each over all charts. */
const filtersOf = ({ slug, filters }: DashboardDefinition, datasetId: number): object[] =>
  filters.map((filter) => ({
    id: `NATIVE_FILTER-${nameUuid("filter", `${slug} ${filter.name}`)}`,
    type: "NATIVE_FILTER",
    name: filter.name,
    description: "",
    filterType: filter.kind === "time" ? "filter_time" : "filter_select",
    targets: [filter.kind === "time" ? {} : { datasetId, column: { name: filter.column } }],
    controlValues: { enableEmptyFilter: false, ...(filter.kind === "values" && { multiSelect: true }) },
    defaultDataMask: { extraFormData: {}, filterState: {}, ownState: {} },
    cascadeParentIds: [],
    scope: { rootPath: ["ROOT_ID"], excluded: [] },
  }));

const chartUuid = (name: string): string => nameUuid("chart", name);

async function ensureChart(api: SupersetApi, chart: ChartDefinition, datasetId: number): Promise<number> {
  const uuid = chartUuid(chart.name);
  const found = await api.find<{ result: { id: number } }>(`chart/${uuid}`);
  if (found) return found.result.id;
  const datasource = { id: datasetId, type: "table" };
  const params = { ...chart.params, viz_type: chart.vizType, datasource: `${datasetId}__table` };
  const context = { datasource, force: false, queries: [chart.query], form_data: params };
  const { id } = await api.post<{ id: number }>("chart/", {
    uuid,
    slice_name: chart.name,
    viz_type: chart.vizType,
    datasource_id: datasetId,
    datasource_type: "table",
    params: JSON.stringify(params),
    query_context: JSON.stringify({ ...context, result_format: "json", result_type: "full" }),
  });
  return id;
}

/**
 * The layout to write: ours for a new dashboard; the present one with new ids if charts were created again;
 * undefined if nothing is missing.
 */
export function missingLayout(
  definition: DashboardDefinition,
  ids: ReadonlyMap<string, number>,
  present: Layout,
): Layout | undefined {
  if (Object.keys(present).length === 0) return layoutOf(definition, ids);
  const idOf = new Map([...ids].map(([name, id]) => [chartUuid(name), id]));
  let changed = false;
  const repaired = Object.entries(present).map(([key, node]) => {
    const meta = typeof node === "string" ? undefined : node.meta;
    const id = idOf.get(String(meta?.["uuid"]));
    if (id === undefined || meta?.["chartId"] === id) return [key, node] as const;
    changed = true;
    return [key, { ...(node as LayoutNode), meta: { ...meta, chartId: id } }] as const;
  });
  return changed ? Object.fromEntries(repaired) : undefined;
}

function layoutOf({ title, rows }: DashboardDefinition, ids: ReadonlyMap<string, number>): Layout {
  const layout = new Map<string, LayoutNode | string>(
    Object.entries({
      DASHBOARD_VERSION_KEY: "v2",
      ROOT_ID: { id: "ROOT_ID", type: "ROOT", children: ["GRID_ID"] },
      GRID_ID: { id: "GRID_ID", type: "GRID", children: rows.map((_, at) => `ROW-${at}`), parents: ["ROOT_ID"] },
      HEADER_ID: { id: "HEADER_ID", type: "HEADER", children: [], meta: { text: title } },
    }),
  );
  rows.forEach((charts, at) => {
    const row = `ROW-${at}`;
    const children = charts.map(({ name }) => `CHART-${ids.get(name)!}`);
    const parents = ["ROOT_ID", "GRID_ID"];
    layout.set(row, { id: row, type: "ROW", children, parents, meta: { background: "BACKGROUND_TRANSPARENT" } });
    for (const { name, width, height } of charts) {
      const chartId = ids.get(name)!;
      const meta = { chartId, uuid: chartUuid(name), sliceName: name, width, height };
      const id = `CHART-${chartId}`;
      layout.set(id, { id, type: "CHART", children: [], parents: [...parents, row], meta });
    }
  });
  return Object.fromEntries(layout);
}
