/** What kube tests of the operator share: starting one in this process, and waiting for what it says. */
import { setTimeout as delay } from "node:timers/promises";
import type { ObjectCondition } from "@prism/api/condition";
import type { ApiClient } from "@prism/kube-machinery/api-client";
import { EventRecorder } from "@prism/kube-machinery/event-recorder";
import type { KubeObject, Stored } from "@prism/kube-machinery/kube-object";
import type { Resource } from "@prism/kube-machinery/resource";
import { pino } from "pino";
import { PRISM_CLUSTERS, type RawObject } from "../../adapters/kubernetes/prism-resources.js";
import { clusterManifest } from "../../adapters/testing/kube-home.js";
import { startOperator, type OperatorProcess } from "../operator-process.js";
import type { FakeHome } from "./fake-home.js";

export const HEALTH = {
  heartbeatIntervalMs: 100,
  failureThreshold: 4,
  suspectTimeoutMs: 400,
  replicaTimeoutMs: 200,
};
export const ZONES = { topology: { zones: [{ name: "a" }, { name: "b" }, { name: "c" }] } };
export const WAIT_MS = 20_000;

/** An operator for this namespace alone, with simulated nodes. Closes `client` when it stops. */
export async function operate(options: {
  readonly namespace: string;
  readonly client: ApiClient;
  readonly home: FakeHome;
}): Promise<OperatorProcess> {
  const { namespace, client, home } = options;
  return startOperator({
    settings: {
      podName: "operator-0",
      podNamespace: namespace,
      watchNamespaces: [namespace],
      nodeImageRepository: "node",
      adminHost: "127.0.0.1",
      adminPort: 0,
      logLevel: "silent",
    },
    client,
    recorder: new EventRecorder({ client, controller: "prism.dev/operator", instance: "test" }),
    environment: { KUBECONFIG: process.env["PRISM_KUBECONFIG"] },
    log: pino({ level: process.env["PRISM_LOG_LEVEL"] ?? "silent" }),
    home,
  });
}

/** Looks again and again until there is a value. Throws when the time is over. */
export async function until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const value = await look();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`not in time: ${what}`);
    await delay(50);
  }
}

export function createCluster(
  client: ApiClient,
  namespace: string,
  name: string,
  spec: object = {},
): Promise<Stored> {
  return client.create(PRISM_CLUSTERS, clusterManifest(namespace, name, { health: HEALTH, ...spec }));
}

export function collectionManifest(namespace: string, name: string, spec: object): KubeObject {
  const manifest = {
    apiVersion: "prism.dev/v1alpha1",
    kind: "PrismCollection",
    metadata: { name, namespace },
    spec: { clusterRef: { name: "demo" }, shards: 2, ...spec },
  };
  return manifest;
}

export function conditionOf(
  object: Stored<RawObject> | undefined,
  type: string,
): ObjectCondition | undefined {
  const conditions = (object?.status?.["conditions"] ?? []) as readonly ObjectCondition[];
  return conditions.find((condition) => condition.type === type);
}

/** Waits until the object has a condition of this status, and of this reason when it is named. */
export async function condition(
  client: ApiClient,
  resource: Resource,
  at: { readonly namespace: string; readonly name: string },
  type: string,
  status: string,
  reason?: string,
): Promise<Stored<RawObject>> {
  let last: ObjectCondition | undefined;
  try {
    return await until(`${at.name}: ${type}=${status} ${reason ?? ""}`, async () => {
      const object = await client.get<RawObject>(resource, at);
      last = conditionOf(object, type);
      const holds = last?.status === status && (reason === undefined || last.reason === reason);
      return holds && last?.observedGeneration === object?.metadata.generation ? object : undefined;
    });
  } catch (error) {
    throw new Error(`${String(error)}; last: ${JSON.stringify(last)}`, { cause: error });
  }
}
