/** Writes the status of one PrismCluster: not for every change, not when nothing changed, and the newest last. */
import { isDeepStrictEqual } from "node:util";
import { API_VERSION } from "@prism/api/api-object";
import type { ClusterObjectStatus } from "@prism/api/cluster-status";
import type { ApiClient } from "@prism/kube-machinery/api-client";
import { WorkQueue } from "@prism/kube-machinery/work-queue";
import { FIELD_MANAGER } from "../../resources/owned-object.js";
import { PRISM_CLUSTERS, type RawObject } from "./prism-resources.js";

export interface ClusterStatusWriterOptions {
  readonly client: ApiClient;
  readonly namespace: string;
  readonly name: string;
  /** A status is of one object: one made again under the name gets its own. */
  readonly uid: string;
  readonly onError: (error: unknown) => void;
}

/** Between two writes in which no condition turned. */
const SPACING_MS = 1000;
const KEY = "status";

export class ClusterStatusWriter {
  readonly #options: ClusterStatusWriterOptions;
  readonly #queue: WorkQueue;
  #wanted: ClusterObjectStatus | undefined;
  #written: ClusterObjectStatus | undefined;
  #writtenAtMs = -Infinity;

  constructor(options: ClusterStatusWriterOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({
      work: () => this.#write(),
      onError: (_key, error) => options.onError(error),
    });
    this.#queue.start();
  }

  set(status: ClusterObjectStatus): void {
    this.#wanted = status;
    if (!isDeepStrictEqual(status, this.#written)) this.#queue.add(KEY);
  }

  /** What is still to be written is not. */
  async stop(): Promise<void> {
    await this.#queue.stop();
  }

  async #write(): Promise<{ readonly againInMs: number | undefined }> {
    const status = this.#wanted;
    if (status === undefined || isDeepStrictEqual(status, this.#written)) return { againInMs: undefined };
    const dueInMs = this.#writtenAtMs + SPACING_MS - performance.now();
    if (dueInMs > 0 && !hasTurned(status, this.#written)) return { againInMs: dueInMs };
    const { client, namespace, name, uid } = this.#options;
    const object: RawObject = {
      apiVersion: API_VERSION,
      kind: PRISM_CLUSTERS.kind,
      metadata: { name, namespace, uid },
      status,
    };
    await client.applyStatus(PRISM_CLUSTERS, object, { fieldManager: FIELD_MANAGER, force: true });
    this.#written = status;
    this.#writtenAtMs = performance.now();
    return { againInMs: this.#wanted === status ? undefined : SPACING_MS };
  }
}

/** What people wait for is written at once. */
function hasTurned(left: ClusterObjectStatus, right: ClusterObjectStatus | undefined): boolean {
  const turned = left.conditions.some(({ type, status }) => {
    return right?.conditions.find((condition) => condition.type === type)?.status !== status;
  });
  return turned || left.observedGeneration !== right?.observedGeneration;
}
