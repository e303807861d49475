import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { INFRA } from "../../scripts/stack/paths.ts";

export const CHART = join(INFRA, "helm/tributary");
/** The required values alone, and every feature at once. */
export const MINIMAL = join(CHART, "ci/minimal-values.yaml");
export const FULL = join(CHART, "ci/full-values.yaml");

interface Reference {
  secretKeyRef: { name: string; key: string };
}
interface Variable {
  name: string;
  value?: string;
  valueFrom?: Reference;
}
interface Probe {
  httpGet: { path: string; port: string; scheme: string };
}
export interface Container {
  name: string;
  image: string;
  args: string[];
  env: Variable[];
  ports?: { name: string; containerPort: number }[];
  securityContext: Record<string, unknown>;
  resources: { requests: Record<string, string>; limits: Record<string, string> };
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
  startupProbe?: Probe;
  livenessProbe?: Probe;
  readinessProbe?: Probe;
}
export interface PodSpec {
  containers: Container[];
  volumes: { name: string; emptyDir?: { sizeLimit: string } }[];
  securityContext: Record<string, unknown>;
  automountServiceAccountToken: boolean;
  enableServiceLinks: boolean;
}
/** What the tests read of Kubernetes objects. */
export interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace: string; labels: Record<string, string>; annotations?: Record<string, string> };
  data?: Record<string, string>;
  spec: {
    replicas?: number;
    template?: { metadata: { labels: Record<string, string> }; spec: PodSpec };
    selector?: { matchLabels: Record<string, string> } & Record<string, string>;
    scaleTargetRef?: { name: string };
    triggers?: { metadata: Record<string, string> }[];
    groups?: { name: string; rules: { alert: string }[] }[];
    endpoints?: Record<string, unknown>[];
    policyTypes?: string[];
  };
}

/** Arguments of helm for a file of values and single values, such as `gateway.replicas=3`. */
const argumentsOf = (file: string, values: readonly string[]): string[] => [
  ...["template", "release", CHART, "--namespace", "lakehouse", "--kube-version", "1.33.0", "--values", file],
  ...values.flatMap((value) => ["--set", value]),
];

/** The objects that the chart makes of the values. @throws Error with helm's message */
export function render(file: string, ...values: string[]): KubernetesObject[] {
  const text = execFileSync("helm", argumentsOf(file, values), { encoding: "utf8", stdio: "pipe" });
  const documents = parseAllDocuments(text).map((document) => document.toJS() as KubernetesObject | null);
  return documents.filter((document) => document !== null);
}

/** Helm's message about faulty values. @throws Error if there is none */
export function faultOf(file: string, ...values: string[]): string {
  const { status, stderr } = spawnSync("helm", argumentsOf(file, values), { encoding: "utf8" });
  if (status === 0) throw new Error(`helm takes ${values.join(" ")}`);
  return stderr;
}

export const ofKind = (objects: readonly KubernetesObject[], kind: string): KubernetesObject[] =>
  objects.filter((object) => object.kind === kind);

/** The pods of Deployments and Jobs. */
export const podsOf = (objects: readonly KubernetesObject[]): { name: string; labels: object; spec: PodSpec }[] =>
  objects.flatMap(({ metadata, spec }) =>
    spec?.template ? [{ name: metadata.name, labels: spec.template.metadata.labels, spec: spec.template.spec }] : [],
  );
