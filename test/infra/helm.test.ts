import { Ajv } from "ajv";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { parse, stringify } from "yaml";
import { GROUPS } from "../../lib/messages/topics.ts";
import { readConfig, type SettingsSchema } from "../../lib/process/config.ts";
import { SETTING_NAMES } from "../../lib/process/settings/names.ts";
import { INFRA, ROOT } from "../../scripts/stack/paths.ts";
import { committerConfig } from "../../services/committer/config.ts";
import { gatewayConfig } from "../../services/gateway/config.ts";
import { parserConfig } from "../../services/parser/config.ts";
import { registrarConfig } from "../../services/registrar/config.ts";
import { schedulerConfig } from "../../services/scheduler/config.ts";
import { CHART, faultOf, FULL, MINIMAL, ofKind, podsOf, render, type KubernetesObject } from "./chart.ts";
import { missing } from "./programs.ts";

const noHelm = missing("helm", "https://helm.sh", "REQUIRE_HELM", "version");
const noSchemas = missing("kubernetes-validate", "PyPI: kubernetes-validate", "REQUIRE_HELM");
const skip = noHelm;

const SECRETS = /(_ACCESS_KEY|_SECRET_KEY|_PASSWORD|_USERNAME|_CREDENTIAL|_CATALOG_TOKEN)$/;
const CONFIGS: Record<string, SettingsSchema<unknown>> = {
  gateway: gatewayConfig,
  parser: parserConfig,
  committer: committerConfig,
  scheduler: schedulerConfig,
  registrar: registrarConfig,
};
/** A value for each feature, and what it adds to or takes from the minimum. */
const FEATURES: readonly { values: string[]; adds?: string[]; lacks?: string[] }[] = [
  { values: ["ingress.enabled=true", "ingress.hosts={example.com}"], adds: ["Ingress release-tributary"] },
  { values: ["gateway.autoscaling.enabled=true"], adds: ["HorizontalPodAutoscaler release-tributary-gateway"] },
  {
    values: ["parser.autoscaling.enabled=true", "keda.prometheus.serverAddress=http://p:9090"],
    adds: ["ScaledObject release-tributary-parser"],
  },
  {
    values: ["committer.autoscaling.enabled=true", "keda.prometheus.serverAddress=http://p:9090"],
    adds: ["ScaledObject release-tributary-committer"],
  },
  {
    values: ["registrar.enabled=true", "registrar.superset.url=http://s", "registrar.superset.existingSecret=s"],
    adds: ["Deployment release-tributary-registrar", "Service release-tributary-registrar"],
  },
  {
    values: ["serviceMonitor.enabled=true", "gateway.metricsPublic=true"],
    adds: ["gateway", "parser", "committer", "scheduler"].map((name) => `ServiceMonitor release-tributary-${name}`),
  },
  { values: ["alerts.enabled=true"], adds: ["PrometheusRule release-tributary"] },
  { values: ["scheduler.podDisruptionBudget=true"], adds: ["PodDisruptionBudget release-tributary-scheduler"] },
  { values: ["contracts.existingConfigMap=own"], lacks: ["ConfigMap release-tributary-contracts"] },
  { values: ["serviceAccount.create=false"], lacks: ["ServiceAccount release-tributary"] },
  { values: ["init.enabled=false"], lacks: ["Job release-tributary-init"] },
  {
    values: ["networkPolicy.enabled=false"],
    lacks: ["deny", "gateway", "metrics"].map((name) => `NetworkPolicy release-tributary-${name}`),
  },
];

const namesOf = (objects: readonly KubernetesObject[]): string[] =>
  objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort();

describe("the Helm chart", { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), "tributary-chart-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const sets = { minimal: noHelm ? [] : render(MINIMAL), full: noHelm ? [] : render(FULL) };
  const everything = Object.values(sets).flat();

  for (const [name, file] of Object.entries({ minimal: MINIMAL, full: FULL })) {
    it(`passes helm lint with the ${name} values`, () => {
      execFileSync("helm", ["lint", "--strict", "--quiet", CHART, "--values", file], { stdio: "pipe" });
    });

    it(`makes objects that Kubernetes takes of the ${name} values`, { skip: noSchemas }, () => {
      const resources = sets[name as keyof typeof sets];
      const core = resources.filter(({ apiVersion }) => !/keda|coreos/.test(apiVersion));
      const path = join(folder, `${name}.yaml`);
      writeFileSync(path, core.map((object) => stringify(object)).join("---\n"));
      for (const version of ["1.30.0", "1.37.0"])
        execFileSync("kubernetes-validate", ["--strict", "-k", version, path], { stdio: "pipe" });
    });
  }

  it("makes objects that KEDA and the Prometheus operator take", () => {
    const schemas = JSON.parse(readFileSync(join(import.meta.dirname, "crds.schema.json"), "utf8")) as Record<
      string,
      { apiVersion: string; schema: object }
    >;
    const ajv = new Ajv({ strict: false, allErrors: true });
    const found = sets.full.filter(({ apiVersion }) => /keda|coreos/.test(apiVersion));
    for (const object of found) {
      const { apiVersion, schema } = schemas[object.kind]!;
      assert.equal(object.apiVersion, apiVersion);
      assert.ok(ajv.validate(schema, object), `${object.metadata.name}: ${ajv.errorsText()}`);
    }
    assert.deepEqual(new Set(found.map(({ kind }) => kind)), new Set(Object.keys(schemas)));
  });

  for (const { values, adds = [], lacks = [] } of FEATURES) {
    it(`${values[0]}: ${adds.length > 0 ? "adds" : "leaves out"} ${[...adds, ...lacks][0]}`, () => {
      const before = namesOf(sets.minimal);
      const wanted = [...before.filter((name) => !lacks.includes(name)), ...adds].sort();
      assert.deepEqual(namesOf(render(MINIMAL, ...values)), wanted);
    });
  }

  it("names all missing values at once", () => {
    const fault = faultOf(join(CHART, "values.yaml"));
    const wanted = [
      ...["image.repository", "eventLog.url", "objects.blobUrl", "objects.dropsUrl", "objects.existingSecret"],
      ...["warehouse.url", "gateway.apiKeys.existingSecret"],
    ];
    for (const name of wanted) assert.ok(fault.includes(`  ${name}: `), `${name} is not in ${fault}`);
  });

  it("names what a feature needs", () => {
    const needs: [string, string][] = [
      ["objects.stagingUrl=", "objects.stagingUrl"],
      ["eventLog.sasl.mechanism=plain", "eventLog.sasl.existingSecret"],
      ["gateway.oidc.issuer=https://i", "gateway.oidc.audience"],
      ["registrar.enabled=true", "registrar.superset.url"],
      ["committer.autoscaling.enabled=true", "keda.prometheus.serverAddress"],
      ["serviceMonitor.enabled=true", "serviceMonitor.gatewayKey.existingSecret"],
      ["ingress.enabled=true", "ingress.hosts"],
      ["objects.podIdentity=true", "serviceAccount.name"],
      ["warehouse.url=iceberg:", "warehouse.restCatalog.uri"],
    ];
    for (const [value, named] of needs) assert.ok(faultOf(MINIMAL, value).includes(named), value);
  });

  it("refuses secrets, passwords in URLs, and unknown values", () => {
    assert.match(faultOf(MINIMAL, "settings.TRIBUTARY_S3_SECRET_KEY=hunter2"), /TRIBUTARY_S3_SECRET_KEY/);
    assert.match(faultOf(MINIMAL, "parser.settings.TRIBUTARY_KAFKA_PASSWORD=hunter2"), /TRIBUTARY_KAFKA_PASSWORD/);
    assert.match(faultOf(MINIMAL, "warehouse.url=trino://me:hunter2@trino:8080/a/b"), /warehouse\/url/);
    assert.match(faultOf(MINIMAL, "gatway.replicas=1"), /gatway/);
  });

  it("takes secrets by reference only", () => {
    assert.deepEqual(ofKind(everything, "Secret"), []);
    const variables = podsOf(everything).flatMap(({ spec }) => spec.containers.flatMap(({ env }) => env));
    const secrets = variables.filter(({ name }) => SECRETS.test(name));
    assert.ok(secrets.length > 20);
    for (const { name, valueFrom } of secrets) assert.ok(valueFrom?.secretKeyRef.name, name);
    for (const { data } of ofKind(everything, "ConfigMap"))
      assert.deepEqual(Object.keys(data ?? {}).filter((name) => SECRETS.test(name)), []); // prettier-ignore
  });

  it("names only settings that exist", () => {
    const own = ["TRIBUTARY_WAREHOUSE_BUCKET", "TRIBUTARY_CATALOG_BUCKET"]; // of the init job
    const known = new Set([...SETTING_NAMES, ...own, "OTEL_EXPORTER_OTLP_ENDPOINT"]);
    const names = [
      ...podsOf(everything).flatMap(({ spec }) => spec.containers.flatMap(({ env }) => env.map(({ name }) => name))),
      ...ofKind(everything, "ConfigMap").flatMap(({ metadata, data }) =>
        metadata.name.endsWith("-settings") ? Object.keys(data!) : [],
      ),
    ];
    assert.deepEqual(names.filter((name) => !known.has(name)), []); // prettier-ignore
    const values = readFileSync(join(CHART, "values.yaml"), "utf8");
    for (const [name] of values.matchAll(/\b(TRIBUTARY|OTEL)_[A-Z_0-9]+/g)) assert.ok(known.has(name), name);
  });

  it("gives each service settings that it accepts", () => {
    for (const objects of Object.values(sets)) {
      const settings = ofKind(objects, "ConfigMap").find(({ metadata }) => metadata.name.endsWith("-settings"))!;
      const services = podsOf(objects).flatMap(({ spec }) => spec.containers.filter(({ name }) => name !== "init"));
      for (const { name, env } of services) {
        const own = env.map((variable) => [variable.name, variable.value ?? "by-reference"] as const);
        const all = { ...settings.data, ...Object.fromEntries(own), TRIBUTARY_CONTRACTS_DIR: folder };
        assert.doesNotThrow(() => readConfig(CONFIGS[name]!, all), name);
      }
    }
  });

  it("runs commands that the build makes", () => {
    const { include } = JSON.parse(readFileSync(join(ROOT, "tsconfig.build.json"), "utf8")) as { include: string[] };
    for (const { spec } of podsOf(everything)) {
      const [program, path, ...others] = spec.containers[0]!.args;
      const source = path!.replace(/^dist\/(.*)\.js$/, "$1.ts");
      assert.equal(program, "node");
      assert.deepEqual(others, []);
      assert.ok(existsSync(join(ROOT, source)), source);
      assert.ok(include.some((folder) => source.startsWith(folder)), source); // prettier-ignore
    }
  });

  it("runs every pod without root, without a writable root, and within limits", () => {
    for (const { name, spec } of podsOf(everything)) {
      const { runAsNonRoot, seccompProfile } = spec.securityContext;
      assert.deepEqual(
        { runAsNonRoot, seccompProfile },
        { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
      );
      assert.equal(spec.automountServiceAccountToken, false);
      assert.equal(spec.enableServiceLinks, false, `${name}: a Service's variables are named like settings`);
      for (const { securityContext, resources, volumeMounts } of spec.containers) {
        assert.deepEqual(securityContext, {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        });
        assert.ok(resources.requests["memory"] && resources.limits["memory"], name);
        const writable = volumeMounts.filter(({ readOnly }) => !readOnly);
        assert.deepEqual(writable.map(({ mountPath }) => mountPath), ["/tmp"]); // prettier-ignore
      }
      const scratch = spec.volumes.find((volume) => volume.emptyDir);
      assert.ok(scratch?.emptyDir?.sizeLimit, `${name}: its scratch folder has a limit`);
      assert.equal(new Set(spec.volumes.map((volume) => volume.name)).size, spec.volumes.length);
    }
  });

  it("asks each service whether it lives and is ready, by HTTPS where the gateway has a certificate", () => {
    for (const [name, objects] of Object.entries(sets)) {
      for (const { spec } of podsOf(ofKind(objects, "Deployment"))) {
        const { startupProbe, livenessProbe, readinessProbe, name: component } = spec.containers[0]!;
        const paths = [startupProbe, livenessProbe, readinessProbe].map((probe) => probe!.httpGet.path);
        assert.deepEqual(paths, ["/healthz", "/healthz", "/readyz"]);
        const scheme = name === "full" && component === "gateway" ? "HTTPS" : "HTTP";
        assert.equal(readinessProbe!.httpGet.scheme, scheme);
      }
    }
  });

  it("selects pods that exist, each by one Service, and scales Deployments that exist", () => {
    const deployments = ofKind(sets.full, "Deployment");
    const labels = podsOf(deployments).map((pod) => pod.labels as Record<string, string>);
    const selects = (selector: Record<string, string>): number =>
      labels.filter((pod) => Object.entries(selector).every(([name, value]) => pod[name] === value)).length;
    for (const { spec, metadata } of ofKind(sets.full, "Service"))
      assert.equal(selects(spec.selector!), 1, metadata.name);
    for (const { spec, metadata } of [...ofKind(sets.full, "PodDisruptionBudget"), ...deployments])
      assert.equal(selects(spec.selector!.matchLabels), 1, metadata.name);
    const scaled = [...ofKind(sets.full, "ScaledObject"), ...ofKind(sets.full, "HorizontalPodAutoscaler")];
    for (const { spec } of scaled) {
      const target = deployments.find(({ metadata }) => metadata.name === spec.scaleTargetRef!.name)!;
      assert.equal(target.spec.replicas, undefined, "a Deployment that is scaled has no number of its own");
    }
    assert.equal(scaled.length, 3);
  });

  it("scales by the lag of the groups that there are", () => {
    const triggers = ofKind(sets.full, "ScaledObject").map(({ spec }) => spec.triggers![0]!.metadata);
    const groups = triggers.map(({ query }) => /group="([^"]+)",namespace="lakehouse"/.exec(query!)![1]!);
    assert.deepEqual(groups.sort(), [GROUPS.committer, GROUPS.parser]);
    assert.deepEqual(triggers.map(({ threshold }) => threshold).sort(), ["2", "8"]);
  });

  it("has the alerts of infra/prometheus, without those on systems that are not ours", () => {
    const { groups } = parse(readFileSync(join(INFRA, "prometheus/alerts.yml"), "utf8")) as KubernetesObject["spec"];
    const all = groups!.flatMap(({ rules }) => rules.map(({ alert }) => alert));
    const [rule] = ofKind(sets.full, "PrometheusRule");
    const here = rule!.spec.groups!.flatMap(({ rules }) => rules.map(({ alert }) => alert));
    const { alerts } = parse(readFileSync(join(CHART, "values.yaml"), "utf8")) as { alerts: { without: string[] } };
    assert.deepEqual(here, all.filter((alert) => !alerts.without.includes(alert))); // prettier-ignore
    for (const alert of alerts.without) assert.ok(all.includes(alert), alert);
  });
});
