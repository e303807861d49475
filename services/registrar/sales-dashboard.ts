import type { ChartDefinition, DashboardDefinition } from "./dashboard.ts";

/** A metric over one column. */
interface Metric {
  expressionType: "SIMPLE";
  aggregate: "SUM" | "COUNT" | "AVG";
  column: { column_name: string };
  label: string;
  hasCustomLabel: true;
}

const metric = (label: string, aggregate: Metric["aggregate"], column: string): Metric => ({
  expressionType: "SIMPLE",
  aggregate,
  column: { column_name: column },
  label,
  hasCustomLabel: true,
});

const REVENUE = metric("Revenue", "SUM", "amount");
const ORDERS = metric("Orders", "COUNT", "order_id");
const AVERAGE = metric("Average order value", "AVG", "amount");

const AMOUNT_FORMAT = ",.2f";
/** For axes. */
const ROUND_FORMAT = ",.0f";
const COUNT_FORMAT = ",d";
const ROWS_MAX = 10_000;

const DAY = "ingestion_date";

/** What the dashboard's filter by date replaces in each chart. */
const WITHIN = [
  {
    clause: "WHERE",
    expressionType: "SIMPLE",
    subject: DAY,
    operator: "TEMPORAL_RANGE",
    comparator: "No filter",
  },
];

const query = (parts: Record<string, unknown>): Record<string, unknown> => ({
  columns: [],
  filters: [],
  extras: { having: "", where: "" },
  orderby: [],
  row_limit: ROWS_MAX,
  ...parts,
});

const bigNumber = (name: string, wanted: Metric, format: string): ChartDefinition => ({
  name,
  vizType: "big_number_total",
  params: {
    metric: wanted,
    adhoc_filters: WITHIN,
    y_axis_format: format,
    header_font_size: 0.4,
    subheader_font_size: 0.15,
  },
  query: query({ metrics: [wanted] }),
  width: 4,
  height: 20,
});

const REVENUE_BY_COUNTRY: ChartDefinition = {
  name: "Revenue by Country",
  vizType: "echarts_timeseries_bar",
  params: {
    x_axis: "country",
    x_axis_sort: "Revenue",
    x_axis_sort_asc: false,
    metrics: [REVENUE],
    groupby: [],
    adhoc_filters: WITHIN,
    row_limit: ROWS_MAX,
    orientation: "vertical",
    // Label every country; rotated labels fit.
    xAxisLabelInterval: "0",
    xAxisLabelRotation: 45,
    y_axis_format: ROUND_FORMAT,
    show_legend: false,
    rich_tooltip: true,
  },
  query: query({ columns: ["country"], metrics: [REVENUE], orderby: [[REVENUE, false]] }),
  width: 7,
  height: 50,
};

const ORDERS_BY_COUNTRY: ChartDefinition = {
  name: "Orders by Country",
  vizType: "pie",
  params: {
    groupby: ["country"],
    metric: ORDERS,
    adhoc_filters: WITHIN,
    row_limit: 100,
    sort_by_metric: true,
    label_type: "key",
    number_format: COUNT_FORMAT,
    show_labels: true,
    show_legend: false,
    donut: true,
    innerRadius: 35,
    outerRadius: 60,
  },
  query: query({ columns: ["country"], metrics: [ORDERS], orderby: [[ORDERS, false]], row_limit: 100 }),
  width: 5,
  height: 50,
};

const daily = (name: string, wanted: Metric, format: string): ChartDefinition => ({
  name,
  vizType: "echarts_timeseries_line",
  params: {
    x_axis: DAY,
    time_grain_sqla: "P1D",
    metrics: [wanted],
    groupby: [],
    adhoc_filters: WITHIN,
    row_limit: ROWS_MAX,
    y_axis_format: format,
    x_axis_time_format: "smart_date",
    show_legend: false,
    rich_tooltip: true,
    markerEnabled: true,
    markerSize: 5,
  },
  query: query({
    columns: [{ columnType: "BASE_AXIS", expressionType: "SQL", sqlExpression: DAY, label: DAY, timeGrain: "P1D" }],
    metrics: [wanted],
    extras: { having: "", where: "", time_grain_sqla: "P1D" },
    post_processing: [
      {
        operation: "pivot",
        options: {
          index: [DAY],
          columns: [],
          aggregates: { [wanted.label]: { operator: "mean" } },
          drop_missing_columns: false,
        },
      },
      { operation: "flatten" },
    ],
  }),
  width: 6,
  height: 45,
});

const TOP_CUSTOMERS: ChartDefinition = {
  name: "Top 10 Customers",
  vizType: "table",
  params: {
    query_mode: "aggregate",
    groupby: ["customer_id"],
    metrics: [REVENUE, ORDERS],
    timeseries_limit_metric: REVENUE,
    order_desc: true,
    adhoc_filters: WITHIN,
    row_limit: 10,
    show_cell_bars: false,
    column_config: {
      [REVENUE.label]: { d3NumberFormat: AMOUNT_FORMAT },
      [ORDERS.label]: { d3NumberFormat: COUNT_FORMAT },
    },
  },
  query: query({
    columns: ["customer_id"],
    metrics: [REVENUE, ORDERS],
    orderby: [[REVENUE, false]],
    row_limit: 10,
  }),
  width: 12,
  height: 51,
};

/** The dashboard of the sample table `sales`. */
export const SALES_DASHBOARD: DashboardDefinition = {
  title: "Sales Lakehouse Dashboard",
  slug: "sales-lakehouse",
  table: "sales",
  columns: ["order_id", "customer_id", "amount", "country", DAY],
  filters: [
    { kind: "time", name: "Date" },
    { kind: "values", name: "Country", column: "country" },
  ],
  rows: [
    [
      bigNumber("Total Revenue", REVENUE, AMOUNT_FORMAT),
      bigNumber("Total Orders", ORDERS, COUNT_FORMAT),
      bigNumber("Average Order Value", AVERAGE, AMOUNT_FORMAT),
    ],
    [REVENUE_BY_COUNTRY, ORDERS_BY_COUNTRY],
    [daily("Daily Revenue Trend", REVENUE, ROUND_FORMAT), daily("Daily Orders Trend", ORDERS, COUNT_FORMAT)],
    [TOP_CUSTOMERS],
  ],
};
