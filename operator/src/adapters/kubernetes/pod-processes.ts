/** The processes in a cluster's pods: what was last told of each, so that its beginning and end are told once. */
import type { WorkloadEvent, WorkloadStatus } from "../../ports/workloads.js";
import { PORTS } from "../../resources/node-settings.js";
import {
  addressOf,
  endOf,
  runningProcess,
  workloadStatus,
  type LivePod,
  type RunningProcess,
} from "./live-pod.js";

interface Told extends RunningProcess {
  readonly podUid: string;
}

export class PodProcesses {
  readonly #told = new Map<string, Told>();
  readonly #listeners = new Set<(event: WorkloadEvent) => void>();

  watch(listener: (event: WorkloadEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A pod as it is now, or as it last was when it is gone. */
  take(pod: LivePod, gone: boolean): void {
    const { name, uid, deletionTimestamp } = pod.metadata;
    const told = this.#told.get(name);
    if (told?.podUid === uid) {
      const end = endOf(pod, told);
      if (end) {
        this.#told.delete(name);
        this.#tell({ kind: "exited", name, ...end, expected: deletionTimestamp !== undefined });
      }
    }
    if (gone) {
      // A pod that is deleted by force is gone from the API server while its process may live on: its end is not known.
      if (this.#told.get(name)?.podUid === uid) this.#told.delete(name);
      return;
    }
    const running = runningProcess(pod);
    const before = this.#told.get(name);
    if (!running || (before?.podUid === uid && before.containerId === running.containerId)) return;
    this.#told.set(name, { ...running, podUid: uid });
    this.#tellListening(name, running);
  }

  /** For one who has just begun to care for the node. */
  tellAgain(name: string): void {
    const told = this.#told.get(name);
    if (told) this.#tellListening(name, told);
  }

  status(name: string, pod: LivePod | undefined, nowMs: number): WorkloadStatus {
    return workloadStatus(name, pod, nowMs);
  }

  #tellListening(name: string, { ip }: RunningProcess): void {
    this.#tell({ kind: "listening", name, peerAddress: addressOf(ip, PORTS.peers) });
  }

  #tell(event: WorkloadEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}
