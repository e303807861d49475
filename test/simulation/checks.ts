import type { ColumnDefinition } from "../../lib/columns.ts";
import { commitEvents } from "../../lib/messages/avro.ts";
import { TOPICS } from "../../lib/messages/topics.ts";
import { operationIn } from "../../lib/messages/operation.ts";
import { withoutUndone } from "../../lib/file-versions/history.ts";
import { foldTableSchema, type NewestSchemas } from "../../lib/table-schemas/table-schemas.ts";
import type { FakeRow } from "../support/fake-commit.ts";
import type { ModelRow } from "../support/warehouse-model.ts";
import {
  COLUMN_NAMES,
  CONTRACTS,
  contractOf,
  expectedOf,
  fatesIn,
  fileOf,
  FLIPPING_TABLE,
  modelOf,
  withoutRepetitions,
} from "./workload.ts";
import type { World } from "./world.ts";

export interface AcceptedFile {
  fileId: string;
  table: string;
  offset: number;
}

/** Invariants that must hold at the end of a schedule. */
export function checkEnd(world: World, accepted: readonly AcceptedFile[]): void {
  for (const { table } of CONTRACTS) {
    checkRows(world, table);
    checkOutcomes(world, table);
    checkDrops(world, table);
  }
  for (const { fileId, table, offset } of accepted) {
    const known = world.arrived(table).some((arrived) => arrived.offset === offset && arrived.event.fileId === fileId);
    if (!known) world.violation(`I3: accepted file ${table}@${offset} is not in the log`);
  }
  checkCommitEvents(world);
  checkPublishedColumns(world);
}

/** I14: what is published of a table are the columns that it has. */
function checkPublishedColumns(world: World): void {
  const published: NewestSchemas = new Map();
  for (const { records } of world.broker.topic(TOPICS.tableSchemas.name).partitions) {
    for (const record of records) foldTableSchema(published, record);
  }
  for (const { table } of CONTRACTS) {
    const columns = columnsText(world.warehouse.tablesByName.get(table)?.columns);
    const found = columnsText(published.get(table)?.columns);
    if (found !== columns) world.violation(`I14: of ${table} ${found} are published, but it has ${columns}`);
  }
}

const columnsText = (columns: readonly ColumnDefinition[] = []): string =>
  JSON.stringify(columns.map(({ name, type, header }) => [name, type, header]));

const cellsOf = ({ values }: FakeRow): string =>
  JSON.stringify(
    COLUMN_NAMES.map((name) => values[name] ?? null).map((value) => (value === null ? null : String(value))),
  );
const modelCells = ({ cells }: ModelRow): string => JSON.stringify(COLUMN_NAMES.map((_, at) => cells[at] ?? null));

/**
 * I1, row by row. Compares the values in every mode, and each row's source as far as it does not depend on
 * the commits' boundaries: a row that is equal at the end of a micro-batch keeps its older version, which
 * must then hold it too.
 */
function checkRows(world: World, table: string): void {
  const { writeMode, deleteMissing } = contractOf(table);
  const placeOf = (cells: string, { file, offset, row }: { file: string; offset: number; row: number }): string => {
    if (writeMode === "append") return `${file}@${offset}#${row} ${cells}`;
    if (writeMode === "replace") return `${file}#${row} ${cells}`;
    return deleteMissing ? `${file} ${cells}` : cells;
  };
  const arrived = world.arrived(table);
  const rows = world.warehouse.tablesByName.get(table)?.rows ?? [];
  const found = rows.map((row) => placeOf(cellsOf(row), row)).toSorted();
  const placed = (events: typeof arrived): string[] =>
    modelOf(table, events, world.known)
      .map((row) => placeOf(modelCells(row), row))
      .toSorted();
  const expected = placed(arrived);
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    world.violation(`I1: ${table} holds\n  ${found.join("\n  ")}\nbut should hold\n  ${expected.join("\n  ")}`);
  }
  // A replay of rejects may bring back keys of a deleteMissing table.
  const isUndone = arrived.some(({ event }) => operationIn(event)?.kind === "undo");
  const mayAdd = deleteMissing && arrived.some(({ event }) => event.origin === "replay" && event.newRows);
  // A replay brings in what failed for the table's types.
  const isCancelled = arrived.some(({ event }) => world.known.cancelled.has(event.fileId));
  const mayLoad = isCancelled || (world.known.conflicts.size > 0 && table === FLIPPING_TABLE);
  if (
    !mayAdd &&
    !mayLoad &&
    !isUndone &&
    JSON.stringify(found) !== JSON.stringify(placed(withoutRepetitions(arrived)))
  ) {
    world.violation(`I19: ${table} differs from what its files leave without their repetitions`);
  }
  if (
    isUndone &&
    !mayLoad &&
    JSON.stringify(found) !== JSON.stringify(placed(withoutUndone(withoutRepetitions(arrived))))
  ) {
    world.violation(`I23: ${table} differs from what its files leave without those that were undone`);
  }
  const versions = arrived.flatMap((one) => fileOf(one, world.contents) ?? []);
  for (const row of rows) {
    // Several versions, if a correction keeps the offset of the corrected version.
    const origins = versions.filter(({ file, offset }) => file === row.file && offset === row.offset);
    if (!origins.some(({ rows: held }) => JSON.stringify(held?.[row.row - 1]) === cellsOf(row))) {
      world.violation(
        `I1: ${table} has ${cellsOf(row)} from ${row.file}@${row.offset}#${row.row}, which did not hold it`,
      );
    }
  }
}

/** I3, I9: every file event has one recorded outcome, with the model's counts and rejects. */
function checkOutcomes(world: World, table: string): void {
  const { ledger, rejected } = world.warehouse;
  const arrived = world.arrived(table);
  const fates = fatesIn(table, arrived, world.known);
  for (const { offset, event } of arrived) {
    if (event.decision) continue;
    const decided = arrived.find(
      ({ event: other, offset: at }) => other.decision && other.fileId === event.fileId && fates.get(at) !== "repeat",
    );
    const last = decided ?? { offset, event };
    const fate = fates.get(last.offset)!;
    const name = `${table}/${event.sourceFile}@${offset}`;
    const entry = ledger.get(event.fileId);
    if (!entry) {
      world.violation(`I3: ${name} has no outcome`);
      continue;
    }
    const { sourceOffset, rowsRead, rowsCommitted, rowsRejected, errorCode } = entry.outcome;
    if (operationIn(event)?.kind === "rebuild" && errorCode === "REBUILD_REFUSED") {
      checkRefusal(world, table, offset);
      continue;
    }
    const status = entry.heldReasonsJson === undefined ? entry.outcome.status : "held";
    const expected = expectedOf(event, world.contents.get(event.contentHash), fate)!;
    if ((errorCode === "FILE_SUPERSEDED") !== (fate === "superseded")) {
      world.violation(`I19: ${name} is ${status} (${errorCode})`);
    }
    if ((errorCode === "FILE_HELD") !== (fate === "held") || (errorCode === "FILE_REFUSED") !== (fate === "refused")) {
      world.violation(`I22: ${name} is ${status} (${errorCode}), not ${fate}`);
    }
    const stored = [...rejected].filter(([key]) => key.startsWith(`${event.fileId} `)).map(([, { row }]) => row);
    const isFailed = expected.status === "failed" || expected.status === "held";
    if (status !== expected.status || (!isFailed && errorCode !== null)) {
      world.violation(`I9: ${name} is ${status} (${errorCode}), not ${expected.status}`);
    }
    if (rowsRead !== rowsCommitted + rowsRejected) world.violation(`I9: ${name}: ${rowsRead} read`);
    if (rowsCommitted !== expected.accepted)
      world.violation(`I9: ${name}: ${rowsCommitted}, not ${expected.accepted} rows`);
    const sound = isFailed
      ? stored.every((row) => expected.rejected.includes(row))
      : JSON.stringify(stored.toSorted((a, b) => a - b)) === JSON.stringify(expected.rejected);
    if (!sound || stored.length !== rowsRejected) {
      world.violation(`I9: ${name}: rejects ${stored.join()} (${rowsRejected}), not ${expected.rejected.join()}`);
    }
    if (sourceOffset !== offset) world.violation(`I3: ${name} is recorded at ${sourceOffset}`);
  }
}

/** I26: only a table without any file is not rebuilt. */
function checkRefusal(world: World, table: string, offset: number): void {
  const before = world.arrived(table).filter((one) => one.offset < offset);
  // Until an undo has ended, its rows are there.
  const rows = modelOf(table, withoutUndone(before), world.known).length;
  if (rows > 0) world.violation(`I26: a rebuild of ${table} at ${offset} is refused, but the table has ${rows} rows`);
}

/**
 * I18: a dropped version is one file version, also if two gateways publish it. In other tables it may cover
 * a late one.
 */
function checkDrops(world: World, table: string): void {
  if (contractOf(table).writeMode !== "append") return;
  const ids = new Map<string, Set<string>>();
  for (const { event } of world.events(table)) {
    if (event.origin !== "drop" || event.kind !== "put") continue;
    ids.set(event.etag!, (ids.get(event.etag!) ?? new Set()).add(event.fileId));
  }
  for (const [etag, found] of ids) {
    if (found.size > 1) world.violation(`I18: ${table}: ${etag} is ${found.size} versions: ${[...found].join(", ")}`);
  }
}

/** I3: exactly the recorded outcomes were announced. */
function checkCommitEvents(world: World): void {
  const announced = new Map<string, Set<string>>();
  for (const { value } of world.broker.topic(TOPICS.commits.name).partitions.flatMap(({ records }) => records)) {
    for (const { fileId, status, errorCode } of commitEvents.decode(value).files) {
      const shown = errorCode === "FILE_HELD" ? "held" : status;
      announced.set(fileId, (announced.get(fileId) ?? new Set()).add(shown));
    }
  }
  for (const [fileId, { outcome, heldReasonsJson }] of world.warehouse.ledger) {
    const recorded = heldReasonsJson === undefined ? outcome.status : "held";
    // A decided file was announced as held before.
    const statuses = [...(announced.get(fileId) ?? [])].filter((one) => one !== "held" || recorded === "held");
    if (statuses.length !== 1 || statuses[0] !== recorded) {
      world.violation(`I3: ${fileId} is recorded as ${recorded}, but was announced as ${statuses.join(" and ")}`);
    }
  }
}
