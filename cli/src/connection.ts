/** From the global options to a client: --endpoint, PRISM_ENDPOINT, a cluster in Kubernetes, or the local one of --data. */
import { resolve } from "node:path";
import type { StatusResponse } from "@prism/api/status";
import { PrismClient } from "@prism/client";
import { CommandError, EXIT } from "./exit-code.js";
import { findCluster, type KubeCluster, type KubeOptions } from "./kube-cluster.js";
import { describeAbsence, listeningNodes, readOperator } from "./local-directory.js";

export interface ConnectionOptions extends KubeOptions {
  /** The command was called as a plugin of kubectl. */
  readonly plugin?: boolean;
  readonly endpoint?: readonly string[];
  readonly data: string;
  readonly apiKey?: string;
}

/** A node that hangs must not use up the time of a call for which another could answer. */
const ATTEMPT_TIMEOUT_MS = 2000;
/** Somebody waits who may have mistyped an address: some two seconds, not until the call's time is over. */
const RETRIES = 6;

/** @throws {CommandError} when there is no endpoint to be found. */
export async function endpointsOf(options: ConnectionOptions): Promise<readonly string[]> {
  if (options.endpoint !== undefined && options.endpoint.length > 0) return options.endpoint;
  const directory = resolve(options.data);
  const operator = await readOperator(directory);
  const urls = operator?.status === undefined ? [] : urlsOf(operator.status);
  if (urls.length > 0) return urls;
  // Nodes answer while the control plane does not.
  const alive = (await listeningNodes(directory)).filter((node) => node.alive).map((node) => node.httpUrl);
  if (operator !== undefined && alive.length > 0) return alive;
  const why =
    operator === undefined
      ? await describeAbsence(directory)
      : `cluster ${operator.clusterName} has no node yet`;
  throw new CommandError(
    `${why}: start it with \`prism up\`, or name a node with --endpoint http://host:3080`,
    EXIT.unreachable.code,
  );
}

/** Nodes that live first: they are asked in turn, and one that hangs costs an attempt. */
function urlsOf(status: StatusResponse): string[] {
  const known = status.nodes.filter((node) => node.httpUrl !== "");
  const alive = known.filter((node) => node.state === "alive");
  return (alive.length > 0 ? alive : known).map((node) => node.httpUrl);
}

/** True when the command is about a cluster in Kubernetes. */
export function isInKubernetes(options: ConnectionOptions): boolean {
  if (options.endpoint !== undefined && options.endpoint.length > 0) return false;
  const { plugin = false, kubeconfig, context, namespace, cluster } = options;
  return plugin || [kubeconfig, context, namespace, cluster].some((option) => option !== undefined);
}

/** @param quick calls are small, so that one attempt need not last long. */
export async function connect(options: ConnectionOptions, quick = false): Promise<PrismClient> {
  if (isInKubernetes(options)) {
    const cluster = await findCluster(options);
    await cluster.api.close();
    return connectTo(cluster);
  }
  const endpoints = await endpointsOf(options);
  try {
    return new PrismClient({
      endpoints,
      retries: RETRIES,
      ...(quick ? { attemptTimeoutMs: ATTEMPT_TIMEOUT_MS } : {}),
      ...(options.apiKey === undefined ? {} : { apiKey: options.apiKey }),
    });
  } catch (error) {
    throw error instanceof TypeError ? new CommandError(error.message) : error;
  }
}

/** Through the API server, which picks a node: pods have no addresses for people. */
export async function connectTo(cluster: KubeCluster): Promise<PrismClient> {
  const { url, key } = await cluster.tunnel();
  return new PrismClient({ endpoints: url, apiKey: key, routing: false, retries: RETRIES });
}
