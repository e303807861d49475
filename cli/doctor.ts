import type { Command } from "commander";
import { readConfig, restCatalogConfig, restCatalogOf } from "../lib/process/config.ts";
import { catalogOptionsOf, type GivenCatalog } from "../lib/warehouse/iceberg/catalog/options.ts";
import { examineCatalog } from "../lib/warehouse/iceberg/doctor/examine.ts";
import type { DoctorReport } from "../lib/warehouse/iceberg/doctor/report.ts";
import { EXIT, tableText } from "./output.ts";
import { action, durationMs, positive } from "./session.ts";

interface Flags {
  uri?: string;
  warehouse?: string;
  prefix?: string;
  credential?: string;
  oauth2ServerUri?: string;
  oauth2Scope?: string;
  token?: string;
  sigv4?: string;
  namespace?: string;
  race: number;
  writers: number;
}

export function addDoctor(program: Command): void {
  program
    .command("doctor")
    .description("find out what the systems around Tributary can do")
    .command("catalog")
    .description("examine an Iceberg REST catalog on scratch tables, which it drops again")
    .option("--uri <uri>", "the catalog, without /v1 (TRIBUTARY_REST_CATALOG_URI)")
    .option("--warehouse <name>", "the warehouse, as the catalog knows it (TRIBUTARY_REST_CATALOG_WAREHOUSE)")
    .option("--prefix <path>", "prefix of the catalog's paths, if it does not name one (…_PREFIX)")
    .option("--credential <id:secret>", "OAuth2 client credentials (…_CREDENTIAL is safer)")
    .option("--oauth2-server-uri <uri>", "where tokens come from (…_OAUTH2_SERVER_URI; default: the catalog)")
    .option("--oauth2-scope <scope>", "scope of the token (…_OAUTH2_SCOPE; default: catalog)")
    .option("--token <token>", "a token instead (…_TOKEN is safer)")
    .option("--sigv4 <service>", "sign requests for glue or s3tables with the S3 keys (…_SIGV4_SERVICE)")
    .option("--namespace <name>", "an existing namespace; levels are separated by dots (default: a new one)")
    .option("--race <duration>", "length of each of three races between writers", durationMs, 5_000)
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

/** A flag counts before a setting. */
function givenOf(flags: Flags): GivenCatalog {
  const settings = readConfig(restCatalogConfig, process.env);
  const set = restCatalogOf(settings);
  const hasLogin = Boolean(flags.credential ?? flags.token ?? flags.sigv4);
  const { credential, token, sigv4: sigv4Service } = flags;
  return {
    uri: flags.uri ?? set.uri,
    warehouse: flags.warehouse ?? set.warehouse,
    prefix: flags.prefix ?? set.prefix,
    oauth2ServerUri: flags.oauth2ServerUri ?? set.oauth2ServerUri,
    oauth2Scope: flags.oauth2Scope ?? set.oauth2Scope,
    ...(hasLogin
      ? { credential, token, sigv4Service }
      : { credential: set.credential, token: set.token, sigv4Service: set.sigv4Service }),
    s3: {
      region: settings.TRIBUTARY_S3_REGION,
      accessKey: settings.TRIBUTARY_S3_ACCESS_KEY,
      secretKey: settings.TRIBUTARY_S3_SECRET_KEY,
    },
  };
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
