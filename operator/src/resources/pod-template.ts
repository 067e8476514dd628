/**
 * The pod of a node: restricted (Pod Security Standards), without an account of Kubernetes, probed on its own state
 * alone. A template is told from another by the hash that its pods carry.
 */
import { LABEL_PREFIX } from "@prism/api/api-object";
import type { ClusterSpec, ClusterZone } from "@prism/api/cluster";
import { clusterObjectNames } from "@prism/api/object-names";
import { networkHeapMegabytesFor, nodeSettingsFile, poolThreadsFor, PORTS } from "./node-settings.js";
import { podAffinity, podSpread } from "./pod-placement.js";
import { objectLabels, TEMPLATE_HASH } from "./owned-object.js";
import { hashOfValue } from "./short-hash.js";

/** The image's user; the volume belongs to its group. */
const USER_ID = 10_001;
const DATA_PATH = "/data";
const TLS_PATH = "/etc/prism/tls";
const SETTINGS_PATH = "/etc/prism/settings";

/** Until clients have heard that the pod goes; then SIGTERM begins the hand-off. */
const ENDPOINT_DRAIN_SECONDS = 5;
/** Drain, hand-off and close have bounds of their own, together below this. */
const TERMINATION_GRACE_SECONDS = 60;
/** A large store takes long to open, a damaged index longer to be made again. */
const START_TIMEOUT_SECONDS = 1800;

/** Names the file of the settings that the pod was made with. */
export const SETTINGS_KEY = `${LABEL_PREFIX}settings`;
export const NODE_CONTAINER = "node";
export const DATA_VOLUME = "data";

export interface PodTemplate {
  readonly metadata: {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly spec: Readonly<Record<string, unknown>>;
}

export interface TemplateSource {
  readonly cluster: string;
  readonly spec: ClusterSpec;
  readonly zone: ClusterZone;
  /** Where the cluster names none. */
  readonly imageRepository: string;
}

export function buildPodTemplate(source: TemplateSource): PodTemplate {
  const { cluster, spec, zone } = source;
  const { pod } = spec;
  const podSpec = {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: USER_ID,
      runAsGroup: USER_ID,
      fsGroup: USER_ID,
      // Else every start changes the owner of every file of the volume.
      fsGroupChangePolicy: "OnRootMismatch",
      seccompProfile: { type: "RuntimeDefault" },
    },
    terminationGracePeriodSeconds: TERMINATION_GRACE_SECONDS,
    nodeSelector: nonEmpty(pod.nodeSelector),
    tolerations: pod.tolerations.length > 0 ? pod.tolerations : undefined,
    affinity: podAffinity(cluster, spec, zone),
    topologySpreadConstraints: podSpread(cluster, spec),
    priorityClassName: pod.priorityClassName === "" ? undefined : pod.priorityClassName,
    imagePullSecrets: spec.image.pullSecrets.length > 0 ? spec.image.pullSecrets : undefined,
    containers: [nodeContainer(source)],
    volumes: volumes(cluster, spec),
  };
  const template = {
    metadata: {
      labels: { ...pod.labels, ...objectLabels(cluster, zone.name) },
      annotations: { ...pod.annotations, [SETTINGS_KEY]: nodeSettingsFile(spec.resources).key },
    },
    // Undefined members would count in comparisons with what the server answers.
    spec: JSON.parse(JSON.stringify(podSpec)) as Readonly<Record<string, unknown>>,
  };
  const annotations = { ...template.metadata.annotations, [TEMPLATE_HASH]: hashOfValue(template) };
  return { ...template, metadata: { ...template.metadata, annotations } };
}

function nodeContainer({ spec, imageRepository }: TemplateSource): Readonly<Record<string, unknown>> {
  const { image, version, resources, pod } = spec;
  return {
    name: NODE_CONTAINER,
    image: `${image.repository ?? imageRepository}:${version}`,
    imagePullPolicy: image.pullPolicy,
    env: environment(spec, pod.env),
    ports: [
      { name: "http", containerPort: PORTS.http, protocol: "TCP" },
      { name: "peers", containerPort: PORTS.peers, protocol: "TCP" },
      { name: "admin", containerPort: PORTS.admin, protocol: "TCP" },
    ],
    resources: { requests: nonEmpty(resources.requests), limits: nonEmpty(resources.limits) },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    ...probes(),
    lifecycle: { preStop: { sleep: { seconds: ENDPOINT_DRAIN_SECONDS } } },
    // The node's last line says why it ended: kubectl and the operator show it.
    terminationMessagePolicy: "FallbackToLogsOnError",
    volumeMounts: [
      { name: DATA_VOLUME, mountPath: DATA_PATH },
      { name: "tmp", mountPath: "/tmp" },
      { name: "settings", mountPath: SETTINGS_PATH, readOnly: true },
      { name: "tls", mountPath: TLS_PATH, readOnly: true },
    ],
  };
}

/** Of the node alone, never of its peers: a cluster whose nodes wait for each other never comes back. */
function probes(): Readonly<Record<string, unknown>> {
  const ask = (path: string): object => ({ httpGet: { path, port: "admin", scheme: "HTTP" } });
  return {
    startupProbe: {
      ...ask("/startupz"),
      periodSeconds: 1,
      timeoutSeconds: 2,
      failureThreshold: START_TIMEOUT_SECONDS,
    },
    livenessProbe: { ...ask("/livez"), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
    readinessProbe: { ...ask("/readyz"), periodSeconds: 1, timeoutSeconds: 2, failureThreshold: 3 },
  };
}

type Variable = ClusterSpec["pod"]["env"][number];

function environment({ resources }: ClusterSpec, stated: readonly Variable[]): readonly unknown[] {
  const ofPod = (name: string, fieldPath: string): object => ({
    name,
    valueFrom: { fieldRef: { apiVersion: "v1", fieldPath } },
  });
  const heap = networkHeapMegabytesFor(resources);
  const ownOptions = stated.some(({ name }) => name === "NODE_OPTIONS");
  return [
    ofPod("PRISM_NAME", "metadata.name"),
    ofPod("PRISM_ADVERTISE_HOST", "status.podIP"),
    { name: "PRISM_DATA", value: DATA_PATH },
    { name: "PRISM_CONFIG", value: `${SETTINGS_PATH}/node.json` },
    { name: "PRISM_TLS_DIRECTORY", value: TLS_PATH },
    { name: "UV_THREADPOOL_SIZE", value: String(poolThreadsFor(resources)) },
    ...(heap === undefined || ownOptions
      ? []
      : [{ name: "NODE_OPTIONS", value: `--max-old-space-size=${heap}` }]),
    ...stated,
  ];
}

function volumes(cluster: string, { resources, storage }: ClusterSpec): readonly unknown[] {
  const { settings, nodeTlsSecret } = clusterObjectNames(cluster);
  const file = nodeSettingsFile(resources).key;
  return [
    { name: "tmp", emptyDir: {} },
    {
      name: "settings",
      configMap: { name: settings, defaultMode: 0o444, items: [{ key: file, path: "node.json" }] },
    },
    { name: "tls", secret: { secretName: nodeTlsSecret, defaultMode: 0o440 } },
    // A pod that is made again begins empty: it is a new node, and its peers fill it.
    ...(storage.type === "Ephemeral" ? [{ name: DATA_VOLUME, emptyDir: { sizeLimit: storage.size } }] : []),
  ];
}

function nonEmpty<T extends object>(value: T): T | undefined {
  return Object.values(value).some((member) => member !== undefined) ? value : undefined;
}
