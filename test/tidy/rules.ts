/** The rules of the repository. Each takes sources and gives its findings: what is wrong, where, and what to do. */
import { dirname } from "node:path";
import { commentsOf, functionsOf, groupBy, withoutComments, type Source } from "./sources.ts";

export const FILE_LINES_MAX = 400;
export const FUNCTION_LINES_MAX = 70;
export const PARAMETERS_MAX = 4;
export const FOLDER_FILES_MAX = 14;
export const PROSE_COLUMNS_MAX = 110;
const PREFIX_FILES_MAX = 2;

const FOUNDATION =
  "errors|clock|durations|folders|temporary-folders|retry|columns|tables|file-id|nearest|own|media-type|schema-faults";
const lib = (folders: string): RegExp => new RegExp(`^lib/((${FOUNDATION})\\.ts$|(${folders})/)`);

/** Who may import what, of our own files. The first pattern that matches a file counts. */
const LAYERS: readonly { of: RegExp; may: RegExp; instead: string }[] = [
  { of: /^lib\/[a-z-]+\.ts$/, may: lib("(?!)"), instead: "foundation files import only each other" },
  { of: /^lib\/messages\//, may: lib("messages"), instead: "messages know only the foundation" },
  { of: /^lib\/text\//, may: lib("text"), instead: "text knows only the foundation" },
  { of: /^lib\/typing\//, may: lib("typing"), instead: "types of values know only the foundation" },
  { of: /^lib\/rows\//, may: lib("rows|typing|messages"), instead: "rows know typing and messages" },
  {
    of: /^lib\/formats\//,
    may: lib("formats|text|typing"),
    instead: "a format knows text and typing, never how files are parsed",
  },
  { of: /^lib\/rules\//, may: lib("rules|typing"), instead: "rules know values and the foundation" },
  {
    of: /^lib\/contract\//,
    may: lib("contract|messages|formats|typing|rules"),
    instead: "contracts know messages, formats, typing, rules and the foundation",
  },
  {
    of: /^lib\/proposals\//,
    may: lib("proposals|typing|formats"),
    instead: "proposals know texts and how they are typed",
  },
  {
    of: /^lib\/parsing\//,
    may: lib("text|typing|rows|formats|parsing|contract|rules|proposals|messages"),
    instead: "reading a file knows no port",
  },
  { of: /^lib\/blob\//, may: lib("blob"), instead: "a port knows no other port and no service" },
  {
    of: /^lib\/event-log\//,
    may: lib("event-log|messages"),
    instead: "a port knows no other port and no service",
  },
  {
    of: /^lib\/warehouse\//,
    may: new RegExp(`^lib/((${FOUNDATION})\\.ts$|(warehouse|messages|rows)/|blob/blob-store\\.ts$)`),
    instead: "the warehouse may use a BlobStore that it is given, and nothing else",
  },
  {
    of: /^lib\/table-schemas\//,
    may: lib("table-schemas|messages|formats|event-log"),
    instead: "what is published of tables' columns knows the log and messages",
  },
  {
    of: /^lib\/file-versions\//,
    may: lib("file-versions|messages|formats|blob|event-log|warehouse"),
    instead: "the versions of files come from log and ledger",
  },
  {
    of: /^lib\/rebuild\//,
    may: lib("rebuild|file-versions|messages|formats|typing|parsing|contract|blob"),
    instead: "reading a table's files again knows their versions and how files are parsed",
  },
  { of: /^lib\/maintenance\//, may: lib("maintenance"), instead: "maintenance needs are a pure rule" },
  { of: /^lib\/process\//, may: lib("process|messages"), instead: "lib/process is about running a process" },
  {
    of: /^lib\/observability\//,
    may: lib("observability|process|messages|event-log"),
    instead: "observability reads the log and the metrics",
  },
  ...["gateway", "parser", "committer", "scheduler", "registrar"].flatMap((name) => [
    {
      of: new RegExp(`^services/${name}/main\\.ts$`),
      may: new RegExp(`^(lib/|services/(${name}/|run-service\\.ts$))`),
      instead: "a main.ts knows its service and services/run-service.ts",
    },
    {
      of: new RegExp(`^services/${name}/`),
      may: new RegExp(`^(lib/|services/${name}/)`),
      instead: "services never import each other: move what both need into lib/",
    },
  ]),
  {
    of: /^services\/(ports|contracts|run-service)\.ts$/,
    may: /^(lib\/|services\/(ports|contracts|run-service)\.ts$)/,
    instead: "the composition root opens ports and knows no service",
  },
  { of: /^services\/main\.ts$/, may: /^(lib|services)\//, instead: "services/main.ts starts the services" },
  {
    of: /^cli\//,
    may: /^(cli\/|lib\/|services\/main\.ts$)/,
    instead: "the CLI talks to the gateway by HTTP, and starts services/main.ts as a child",
  },
  {
    of: /^scripts\//,
    may: /^(scripts\/|lib\/|services\/\w+\/(config|metrics|gate-metrics)\.ts$|services\/gateway\/http\/parameters\.ts$|cli\/files\/dialect-flags\.ts$)/,
    instead: "scripts use lib/, and of a service its settings, parameters and metrics for the documentation",
  },
  {
    of: /^bench\//,
    may: /^(bench\/|scripts\/|lib\/|services\/|test\/support\/)/,
    instead: "benchmarks use the product and the rows of test/support",
  },
  { of: /^test\//, may: /^(test|bench|cli|lib|scripts|services)\//, instead: "tests import anything of ours" },
];

const isOurs = (from: string): boolean => /^(lib|services|cli|scripts|bench|test)\//.test(from);

export const layerFaults = (sources: readonly Source[]): string[] =>
  sources.flatMap(({ path, imports }) => {
    const layer = LAYERS.find(({ of }) => of.test(path));
    if (!layer) return [`${path} is in no layer: add its folder to LAYERS in test/tidy/rules.ts`];
    return imports
      .filter(({ from }) => isOurs(from) && !layer.may.test(from))
      .map(({ from }) => `${path} imports ${from}: ${layer.instead}`);
  });

/** The text is asked first: taking comments out costs more. */
const codeMatches = (source: Source, pattern: RegExp): boolean =>
  pattern.test(source.text) && pattern.test(withoutComments(source));

/** Files that open adapters and read the environment. */
const ROOTS = /^services\/((\w+\/)?main|ports|run-service)\.ts$/;

export const compositionFaults = (sources: readonly Source[]): string[] =>
  sources
    .filter(({ path }) => /^(lib|services)\//.test(path) && !ROOTS.test(path))
    .flatMap((source) => {
      const opens = source.imports.some(({ from }) => /^lib\/(blob|event-log|warehouse)\/open\.ts$/.test(from));
      const reads = codeMatches(source, /process\.env/);
      return [
        ...(opens ? [`${source.path} opens an adapter: take the port as an argument`] : []),
        ...(reads ? [`${source.path} reads process.env: take a setting as an argument`] : []),
      ];
    });

const VENDOR = /^(lib\/(?:blob|event-log|warehouse))\/(?:s3|file|kafka|embedded|trino|duckdb|iceberg)\//;

/** `allowed`: who imports a vendor's folder all the same, as "importer imported". */
export const vendorFaults = (sources: readonly Source[], allowed: ReadonlySet<string>): string[] =>
  sources.flatMap(({ path, imports }) =>
    imports.flatMap(({ from }) => {
      const [folder, port] = VENDOR.exec(from) ?? [];
      if (folder === undefined || path.startsWith(folder) || path === `${port}/open.ts`) return [];
      if (allowed.has(`${path} ${from}`)) return [];
      return [`${path} imports ${from}: use the interface of ${port}; only its open.ts imports a vendor's folder`];
    }),
  );

const SQL = /\b(SELECT|INSERT|UPDATE|DELETE|MERGE) |\bFROM "/;

export const sqlFaults = (sources: readonly Source[]): string[] =>
  sources
    .filter((source) => source.path.startsWith("services/") && codeMatches(source, SQL))
    .map(({ path }) => `${path} writes SQL: make it a method of the warehouse's port`);

const ROUTES = /^services\/gateway\/([a-z-]+)\/(?:[a-z-]+-)?routes?\.ts$/;

export const siblingRouteFaults = (sources: readonly Source[]): string[] =>
  sources
    .filter(({ path }) => path.startsWith("services/gateway/") && path !== "services/gateway/http/server.ts")
    .flatMap(({ path, imports }) =>
      imports
        .filter(({ from }) => {
          const capability = ROUTES.exec(from)?.[1];
          return capability !== undefined && !path.startsWith(`services/gateway/${capability}/`);
        })
        .map(({ from }) => `${path} imports the routes ${from}: move what both need to a file of its own`),
    );

/** `homes`: by package, the files that may import it. */
export const packageFaults = (sources: readonly Source[], homes: ReadonlyMap<string, RegExp>): string[] =>
  sources.flatMap(({ path, imports }) =>
    imports.flatMap(({ from }) => {
      const home = homes.get(from);
      return home === undefined || home.test(path)
        ? []
        : [`${path} imports ${from}, whose home is ${home.source}: call what is there`];
    }),
  );

const REAL_TIME = /\bDate\.now\(|\bnew Date\(\)|(?<![.\w])set(Timeout|Interval)\(|performance\.now\(/;

export const clockFaults = (sources: readonly Source[]): string[] =>
  sources
    .filter(({ path }) => !/^(lib\/clock\.ts|lib\/process\/run\.ts|cli\/)/.test(path))
    .filter((source) => codeMatches(source, REAL_TIME))
    .map(({ path }) => `${path} reads real time: take a Clock (lib/clock.ts)`);

/** `parameters`: functions with more of them, as "path name", each with its reason. */
export const sizeFaults = (sources: readonly Source[], parameters: ReadonlyMap<string, string>): string[] =>
  sources.flatMap(({ path, text, tree }) => {
    const lines = text.split("\n").length;
    return [
      ...(lines > FILE_LINES_MAX && !path.endsWith("generated.ts")
        ? [`${path} has ${lines} lines: split it by idea, at most ${FILE_LINES_MAX}`]
        : []),
      ...functionsOf(tree).flatMap((found) => [
        ...(found.lines > FUNCTION_LINES_MAX
          ? [`${path}: ${found.name} has ${found.lines} lines: split it, at most ${FUNCTION_LINES_MAX}`]
          : []),
        ...(found.parameters > PARAMETERS_MAX && !parameters.has(`${path} ${found.name}`)
          ? [`${path}: ${found.name} has ${found.parameters} parameters: pass an object, at most ${PARAMETERS_MAX}`]
          : []),
      ]),
    ];
  });

export function folderFaults(sources: readonly Source[]): string[] {
  const folders = groupBy(sources, ({ path }) => dirname(path));
  return [...folders].flatMap(([folder, files]) => {
    const names = files.map(({ path }) => path.slice(folder.length + 1));
    const prefixes = groupBy(
      names.filter((name) => name.includes("-")),
      (name) => name.slice(0, name.indexOf("-")),
    );
    return [
      ...(names.length > FOLDER_FILES_MAX
        ? [`${folder} has ${names.length} files: divide it by idea, at most ${FOLDER_FILES_MAX}`]
        : []),
      ...[...prefixes]
        .filter(([, found]) => found.length > PREFIX_FILES_MAX)
        .map(([prefix, found]) => `${folder}: ${found.join(", ")} share a prefix: make a folder ${folder}/${prefix}/`),
    ];
  });
}

export const nameFaults = (sources: readonly Source[]): string[] =>
  sources
    .filter(({ path }) => /(^|\/)(utils?|helpers?|common|shared|misc)(\/|\.ts)/.test(path))
    .map(({ path }) => `${path}: name it after its subject`);

/** Import cycles, type-only imports included. A worker thread's file is loaded, not imported. */
export function cycleFaults(sources: readonly Source[]): string[] {
  const graph = new Map(
    sources.map(({ path, imports }) => [path, imports.filter(({ kind }) => kind !== "thread").map(({ from }) => from)]),
  );
  const done = new Set<string>();
  const faults: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) {
      const cycle = [...trail.slice(at), path].join(" → ");
      faults.push(`import cycle ${cycle}: move what both need to a file of its own`);
    } else if (!done.has(path)) {
      for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
      done.add(path);
    }
  };
  for (const path of graph.keys()) visit(path, []);
  return faults;
}

/** `users`: files outside the sources that may import them. */
export function deadFaults(sources: readonly Source[], users: readonly Source[]): string[] {
  const imported = new Set([...sources, ...users].flatMap(({ imports }) => imports.map(({ from }) => from)));
  return sources
    .filter(({ path }) => !imported.has(path) && !/(main\.ts|-worker\.ts|\.d\.ts)$/.test(path))
    .map(({ path }) => `${path} is imported nowhere: import it or delete it`);
}

/** Lines of comments that are too long, in the folders given. */
export const proseFaults = (sources: readonly Source[], folders: readonly string[]): string[] =>
  sources
    .filter(({ path }) => folders.some((folder) => path.startsWith(`${folder}/`)))
    .flatMap((source) => {
      const lineOf = (position: number): number => source.tree.getLineAndCharacterOfPosition(position).line;
      const lines = source.text.split("\n");
      const long = new Set<number>();
      for (const [start, end] of commentsOf(source))
        for (let line = lineOf(start); line <= lineOf(end); line++)
          if (lines[line]!.length > PROSE_COLUMNS_MAX) long.add(line + 1);
      return [...long].map(
        (line) => `${source.path}:${line}: a comment beyond column ${PROSE_COLUMNS_MAX}: wrap or shorten it`,
      );
    });
