/** A cluster in Kubernetes: which one is meant, what its object says, and the way to its nodes. */
import { API_GROUP, API_GROUP_VERSION, API_KINDS, type ApiKind } from "@prism/api/api-object";
import { clusterStatusSchema, type ClusterObjectStatus } from "@prism/api/cluster-status";
import { clusterObjectNames } from "@prism/api/object-names";
import type { ApiClient } from "@prism/kube-machinery/api-client";
import { ApiError } from "@prism/kube-machinery/api-error";
import { HttpApiClient } from "@prism/kube-machinery/http-api-client";
import { KubeConfig } from "@prism/kube-machinery/kube-config";
import { KubeConfigError } from "@prism/kube-machinery/kube-config-error";
import type { KubeObject, Stored } from "@prism/kube-machinery/kube-object";
import type { Resource } from "@prism/kube-machinery/resource";
import { CommandError, EXIT } from "./exit-code.js";
import { openServiceTunnel, type ServiceTunnel } from "./service-tunnel.js";

export interface KubeOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  /** Default: the context's. */
  readonly namespace?: string;
  /** Default: the only one of the namespace. */
  readonly cluster?: string;
}

export interface RawObject extends KubeObject {
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>>;
}

/** Port of a cluster's Service for clients. */
const HTTP_PORT = 3080;
/** A person waits. */
const TIMEOUT_MS = 10_000;

export class KubeCluster {
  readonly namespace: string;
  readonly name: string;
  readonly status: ClusterObjectStatus;
  readonly api: ApiClient;
  readonly #config: KubeConfig;

  constructor(parts: { api: ApiClient; config: KubeConfig; namespace: string; object: Stored<RawObject> }) {
    this.api = parts.api;
    this.#config = parts.config;
    this.namespace = parts.namespace;
    this.name = parts.object.metadata.name;
    // What an operator of another version wrote is shown as far as it is understood.
    this.status =
      clusterStatusSchema.safeParse(parts.object.status ?? {}).data ?? clusterStatusSchema.parse({});
  }

  /** To any node, through the API server; the process may end while it is open. */
  tunnel(): Promise<ServiceTunnel> {
    const service = clusterObjectNames(this.name).clientService;
    const path = `/api/v1/namespaces/${this.namespace}/services/http:${service}:${HTTP_PORT}/proxy`;
    return openServiceTunnel(this.#config, path);
  }

  /** What the cluster's object says, for when no node answers. */
  describe(): readonly string[] {
    const { conditions, operation } = this.status;
    if (conditions.length === 0)
      return [
        `no operator has looked at prismcluster ${this.name} yet: does one run? See docs/kubernetes.md`,
      ];
    const lines = conditions.map(({ type, status, reason, message }) => {
      return `  ${type}=${status} ${reason}${message === "" ? "" : `: ${message}`}`;
    });
    const waits = (operation?.blockers ?? []).map(({ rule, evidence, unblock }) => {
      return `  waits: ${rule}: ${evidence} ${unblock}`;
    });
    return [`prismcluster ${this.name} says:`, ...lines, ...waits];
  }
}

/** @throws {CommandError} when it is not clear which one is meant, or the API server can't be asked. */
export async function findCluster(options: KubeOptions): Promise<KubeCluster> {
  const environment = options.kubeconfig === undefined ? process.env : { KUBECONFIG: options.kubeconfig };
  const config = new KubeConfig(environment, { context: options.context });
  const api = new HttpApiClient(config, { userAgent: "kubectl-prism" });
  try {
    const namespace = options.namespace ?? (await config.connection()).namespace;
    const object =
      options.cluster === undefined
        ? await onlyCluster(api, namespace)
        : await namedCluster(api, namespace, options.cluster);
    return new KubeCluster({ api, config, namespace, object });
  } catch (error) {
    await api.close();
    throw toCommandError(error);
  }
}

export function prismResource(kind: ApiKind): Resource {
  const { plural } = API_KINDS[kind];
  return { group: API_GROUP, version: API_GROUP_VERSION, kind, plural, namespaced: true };
}

async function namedCluster(api: ApiClient, namespace: string, name: string): Promise<Stored<RawObject>> {
  const object = await api.get<RawObject>(
    prismResource("PrismCluster"),
    { namespace, name },
    { timeoutMs: TIMEOUT_MS },
  );
  if (object !== undefined) return object;
  throw new CommandError(`no prismcluster ${name} in namespace ${namespace}: kubectl get prismclusters -A`);
}

async function onlyCluster(api: ApiClient, namespace: string): Promise<Stored<RawObject>> {
  const { items } = await api.list<RawObject>(prismResource("PrismCluster"), {
    namespace,
    timeoutMs: TIMEOUT_MS,
  });
  const [only, second] = items;
  if (only === undefined)
    throw new CommandError(`no prismcluster in namespace ${namespace}: name another with --namespace`);
  if (second === undefined) return only;
  const names = items.map(({ metadata }) => metadata.name).join(", ");
  throw new CommandError(`namespace ${namespace} has the clusters ${names}: name one with --cluster`);
}

function toCommandError(error: unknown): unknown {
  if (error instanceof KubeConfigError) return new CommandError(error.message);
  if (!(error instanceof ApiError)) return error;
  if (error.isNotFound)
    return new CommandError(
      "the API server knows no prismclusters: install the operator first, see docs/kubernetes.md",
    );
  return new CommandError(`the API server: ${error.message.trim()}`, EXIT.unreachable.code);
}
