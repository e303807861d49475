import type { Command } from "commander";
import type { DoctorReport } from "../../lib/warehouse/iceberg/doctor/report.ts";
import { withCatalogFlags, type CatalogFlags } from "./flags.ts";
import { EXIT, tableText } from "../output.ts";
import { action, durationOption, positive } from "../session.ts";

interface Flags extends CatalogFlags {
  namespace?: string;
  race: number;
  writers: number;
}

export function addDoctor(program: Command): void {
  const doctor = program.command("doctor").description("find out what the systems around Tributary can do");
  withCatalogFlags(doctor.command("catalog"))
    .description("examine an Iceberg REST catalog on scratch tables, which it drops again")
    .option("--namespace <name>", "an existing namespace; levels are separated by dots (default: a new one)")
    .addOption(durationOption("--race <duration>", "length of each of three races between writers", "5s"))
    .option("--writers <n>", "writers in a race", positive, 4)
    .addHelpText(
      "after",
      `
The exit code is 1 if the catalog is not fit for Tributary's commits, and 3 if it is unreachable.

Example:
  TRIBUTARY_REST_CATALOG_CREDENTIAL=id:secret \\
    tributary doctor catalog --uri http://127.0.0.1:8181 --warehouse lakehouse-tables`,
    )
    .action(
      action(async ({ print, tell, ca }, flags: Flags) => {
        const { givenOf } = await import("./given.ts");
        const { catalogOptionsOf } = await import("../../lib/warehouse/iceberg/catalog/options.ts");
        const { examineCatalog } = await import("../../lib/warehouse/iceberg/doctor/examine.ts");
        const interrupted = new AbortController();
        // The first Ctrl-C ends the examination and drops the scratch tables.
        process.once("SIGINT", () => interrupted.abort(new Error("interrupted")));
        const report = await examineCatalog(
          { ...catalogOptionsOf(givenOf(flags)), ca },
          {
            namespace: flags.namespace?.split("."),
            race: { ms: flags.race, writers: flags.writers },
            signal: interrupted.signal,
            onCheck: (check) => tell(`examining ${check} …`),
          },
        );
        print(report, reportText);
        return report.fit ? EXIT.ok : EXIT.no;
      }),
    );
}

function reportText({ catalog, fit, reasons, results, leftovers }: DoctorReport): string {
  const rows = results.map(({ check, question, needed, status, details }) => [
    check,
    status,
    needed ? "needed" : "",
    `${question}: ${details}`,
  ]);
  const verdict = fit
    ? `${catalog} is fit for Tributary's commits`
    : `${catalog} is NOT fit for Tributary's commits:\n  ${reasons.join("\n  ")}`;
  return [
    tableText(["check", "result", "", "what was asked and found"], rows),
    ...(leftovers.length > 0 ? [`not dropped:\n  ${leftovers.join("\n  ")}`] : []),
    verdict,
  ].join("\n");
}
