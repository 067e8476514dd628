/**
 * What a debug bundle holds of a cluster in Kubernetes: its objects, the events about them, each pod's admin pages
 * and the end of its log, all through the API server. No Secrets.
 */
import { API_KINDS, LABEL_PREFIX, type ApiKind } from "@prism/api/api-object";
import type { ApiClient } from "@prism/kube-machinery/api-client";
import { listAll } from "@prism/kube-machinery/paged-list";
import type { Resource } from "@prism/kube-machinery/resource";
import { findCluster, prismResource, type KubeOptions } from "./kube-cluster.js";

const ADMIN_PORT = 3090;
const ADMIN_PAGES = ["livez", "readyz", "metrics", "debug", "debug/protocol-events"];
const LOG_LINES = 2000;
const TIMEOUT_MS = 10_000;

function namespaced(group: string, version: string, kind: string, plural: string): Resource {
  return { group, version, kind, plural, namespaced: true };
}

const PODS = namespaced("", "v1", "Pod", "pods");

/** Of one cluster, by its label. */
const LABELLED: readonly Resource[] = [
  PODS,
  namespaced("", "v1", "Service", "services"),
  namespaced("", "v1", "ConfigMap", "configmaps"),
  namespaced("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
  namespaced("apps", "v1", "StatefulSet", "statefulsets"),
  namespaced("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
  namespaced("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
];

export async function collectFromKubernetes(options: KubeOptions): Promise<Record<string, unknown>> {
  const { api, namespace, name } = await findCluster(options);
  try {
    const events = namespaced("events.k8s.io", "v1", "Event", "events");
    const [own, labelled, told] = await Promise.all([
      Promise.all(
        (Object.keys(API_KINDS) as ApiKind[]).map((kind) => listed(api, prismResource(kind), namespace)),
      ),
      Promise.all(LABELLED.map((one) => listed(api, one, namespace, `${LABEL_PREFIX}cluster=${name}`))),
      listed(api, events, namespace),
    ]);
    const objects = Object.fromEntries([...own, ...labelled, told]);
    const pods = Object.fromEntries(labelled)[PODS.plural];
    const names = Array.isArray(pods) ? pods.map(({ metadata }) => (metadata as { name: string }).name) : [];
    const nodes = await Promise.all(
      names.map(async (pod) => [pod, await collectPod(api, namespace, pod)] as const),
    );
    return { namespace, cluster: name, objects, nodes: Object.fromEntries(nodes) };
  } finally {
    await api.close();
  }
}

type Listed = readonly [plural: string, items: readonly { readonly metadata: unknown }[] | string];

async function listed(
  api: ApiClient,
  resource: Resource,
  namespace: string,
  labelSelector?: string,
): Promise<Listed> {
  try {
    const { items } = await listAll(api, resource, { namespace, labelSelector, timeoutMs: TIMEOUT_MS });
    return [resource.plural, items];
  } catch (error) {
    return [resource.plural, `not listed: ${(error as Error).message}`];
  }
}

async function collectPod(api: ApiClient, namespace: string, pod: string): Promise<Record<string, string>> {
  const base = `/api/v1/namespaces/${namespace}/pods/`;
  const pages: Readonly<Record<string, string>> = {
    ...Object.fromEntries(ADMIN_PAGES.map((page) => [page, `${pod}:${ADMIN_PORT}/proxy/${page}`])),
    log: `${pod}/log?tailLines=${LOG_LINES}`,
    logBefore: `${pod}/log?previous=true&tailLines=${LOG_LINES}`,
  };
  const texts = await Promise.all(
    Object.entries(pages).map(async ([name, path]) => [name, await text(api, `${base}${path}`)] as const),
  );
  return Object.fromEntries(texts);
}

async function text(api: ApiClient, path: string): Promise<string> {
  try {
    return await api.getText(path, { timeoutMs: TIMEOUT_MS });
  } catch (error) {
    return `no answer: ${(error as Error).message}`;
  }
}
