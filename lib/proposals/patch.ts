import { isMap, isSeq, parseDocument, stringify, type Document } from "yaml";
import type { ColumnPatch, ContractPatch } from "./propose.ts";

/** One patch of several; of two that name a column, the first counts for each field. */
export function joined(patches: readonly ContractPatch[]): ContractPatch {
  const columns = new Map<string, ColumnPatch>();
  for (const column of patches.flatMap((patch) => patch.columns ?? [])) {
    columns.set(column.name, { ...column, ...columns.get(column.name) });
  }
  const nullMarkers = [...new Set(patches.flatMap((patch) => patch.nullMarkers ?? []))];
  return {
    ...(nullMarkers.length > 0 ? { nullMarkers } : {}),
    ...(columns.size > 0 ? { columns: [...columns.values()] } : {}),
  };
}

/** The contract's fields with the patch. What the contract says already stays. */
export function patched(
  contract: { nullMarkers?: readonly string[]; columns?: readonly { name: string }[]; table: string },
  patch: ContractPatch,
): object {
  const own = contract.columns ?? [];
  const added = new Map((patch.columns ?? []).map((column) => [column.name, column]));
  const names = new Set(own.map(({ name }) => name));
  return {
    ...contract,
    nullMarkers: [...new Set([...(contract.nullMarkers ?? []), ...(patch.nullMarkers ?? [])])],
    columns: [
      ...own.map((column) => ({ ...added.get(column.name), ...column })),
      ...[...added.values()].filter(({ name }) => !names.has(name)),
    ],
  };
}

export const patchText = (patch: object): string => stringify(patch, { lineWidth: 110, flowCollectionPadding: true });

/** The contract file's text with the patch; comments and everything that is there stay. */
export function applyPatch(text: string, patch: ContractPatch & Record<string, unknown>): string {
  const document = parseDocument(text);
  for (const [field, value] of Object.entries(patch)) {
    if (field === "columns") addColumns(document, patch.columns ?? []);
    else if (field === "nullMarkers") addMarkers(document, patch.nullMarkers ?? []);
    else if (!document.has(field)) document.set(field, document.createNode(value));
  }
  return document.toString({ lineWidth: 110 });
}

function addMarkers(document: Document, markers: readonly string[]): void {
  const node = document.get("nullMarkers");
  if (!isSeq(node)) return document.set("nullMarkers", document.createNode(markers));
  const known = new Set(node.toJSON().map(String));
  for (const marker of markers) if (!known.has(marker)) node.add(document.createNode(marker));
}

function addColumns(document: Document, columns: readonly ColumnPatch[]): void {
  const node = document.get("columns");
  if (!isSeq(node)) return document.set("columns", document.createNode(columns));
  for (const column of columns) {
    const own = node.items.find((item) => isMap(item) && item.get("name") === column.name);
    if (!isMap(own)) node.add(document.createNode(column));
    else {
      for (const [field, value] of Object.entries(column)) {
        if (!own.has(field)) own.set(document.createNode(field), document.createNode(value));
      }
    }
  }
}

export const isEmptyPatch = ({ nullMarkers, columns }: ContractPatch): boolean => !nullMarkers && !columns;
