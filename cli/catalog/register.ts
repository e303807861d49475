import type { Command } from "commander";
import { TributaryError } from "../../lib/errors.ts";
import type { Move } from "../../lib/warehouse/iceberg/moving/register.ts";
import { EXIT, tableText } from "../output.ts";
import { action } from "../session.ts";
import { withCatalogFlags, type CatalogFlags } from "./flags.ts";

interface Flags extends CatalogFlags {
  from?: string;
  trinoCatalog?: string;
  namespace?: string;
  tables?: string[];
  copy?: boolean;
  dryRun?: boolean;
}

export function addRegister(program: Command): void {
  const catalog = program.command("catalog").description("Iceberg catalogs");
  withCatalogFlags(catalog.command("register"))
    .description("move the tables of one of Trino's catalogs to an Iceberg REST catalog, by their metadata files")
    .option("--from <url>", "the tables: trino://user@host:port/catalog/schema (TRIBUTARY_WAREHOUSE_URL)")
    .option("--trino-catalog <name>", "Trino's name of the REST catalog (TRIBUTARY_REST_CATALOG_TRINO_NAME)")
    .option("--namespace <name>", "the namespace there (default: the schema)")
    .option("--tables <name...>", "only these tables (default: all, also tributary_ingest_files and the like)")
    .option("--copy", "copy the rows, for a catalog that forgets the history of registered tables")
    .option("--dry-run", "show what would move, and change nothing")
    .addHelpText(
      "after",
      `
Stop the committers first: a table that changes meanwhile is not moved. Each table is checked after its move: snapshots,
columns, rows. The first one that differs is taken out of the REST catalog again, and the command ends with 1.
The old catalog keeps its tables: see "Moving tables" in docs/rest-catalog.md for the way back.

Example:
  tributary catalog register --from trino://t@127.0.0.1:8085/iceberg/lakehouse --uri http://127.0.0.1:8181 --dry-run`,
    )
    .action(
      action(async ({ print, tell, ca }, flags: Flags) => {
        const { givenOf } = await import("./given.ts");
        const { moveConfig, readConfig } = await import("../../lib/process/config.ts");
        const { catalogOptionsOf } = await import("../../lib/warehouse/iceberg/catalog/options.ts");
        const { openRestCatalog } = await import("../../lib/warehouse/iceberg/catalog/rest-catalog.ts");
        const { moveTables } = await import("../../lib/warehouse/iceberg/moving/register.ts");
        const { trinoTables } = await import("../../lib/warehouse/trino/move-source.ts");
        const settings = readConfig(moveConfig, process.env);
        const from = flags.from ?? settings.TRIBUTARY_WAREHOUSE_URL;
        if (from === undefined || !/^trino(\+https)?:/.test(from)) {
          throw new TributaryError(
            "CONFIG_INVALID",
            "no tables to move: use --from trino://user@host:port/catalog/schema",
          );
        }
        const to = flags.trinoCatalog ?? settings.TRIBUTARY_REST_CATALOG_TRINO_NAME;
        const password = settings.TRIBUTARY_TRINO_PASSWORD;
        const namespace = flags.namespace ?? new URL(from).pathname.split("/")[2] ?? "lakehouse";
        const source = trinoTables(from, { catalog: to, namespace }, { password, ca });
        const catalog = await openRestCatalog({ ...catalogOptionsOf(givenOf(flags)), ca });
        try {
          const moves = await moveTables(source, catalog, {
            namespace: [namespace],
            tables: flags.tables,
            dryRun: flags.dryRun ?? false,
            copy: flags.copy ?? false,
            onTable: (name) => tell(`${name} …`),
          });
          print(moves, movesText);
          return moves.some(({ status }) => status === "refused") ? EXIT.no : EXIT.ok;
        } finally {
          catalog.close();
          source.close();
        }
      }),
    );
}

const movesText = (moves: Move[]): string =>
  moves.length === 0
    ? "there are no tables"
    : tableText(
        ["table", "result", "rows", "snapshots", "details"],
        moves.map(({ table, status, rows, snapshots, details }) => [
          table,
          status,
          String(rows),
          String(snapshots),
          details,
        ]),
      );
