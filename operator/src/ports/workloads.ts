/** Makes node processes exist: child processes here, StatefulSets in Kubernetes. */

export interface NodeWorkload {
  /** The node's name: its place in the cluster, kept while its processes come and go. */
  readonly name: string;
  readonly clusterName: string;
  /** Worker threads of the node; 0 lets the node decide. */
  readonly workers: number;
  readonly env: Readonly<Record<string, string>>;
}

export type WorkloadState = "starting" | "running" | "backOff" | "stopped";

export interface WorkloadStatus {
  readonly name: string;
  readonly state: WorkloadState;
  /** Since when it is in this state. */
  readonly sinceMs: number;
  /** How often a process of this node ended by itself, in a row, without a stable run between. */
  readonly exitsInARow: number;
  /** How the last process ended and what it said of it; undefined when none has ended. */
  readonly lastExit: string | undefined;
  /** When the next process starts, in state backOff. */
  readonly retryAtMs: number | undefined;
  readonly pid: number | undefined;
  /** Where the process listens, once it does. */
  readonly peerAddress: string | undefined;
  readonly httpUrl: string | undefined;
  readonly adminUrl: string | undefined;
}

export type WorkloadEvent =
  /** The process listens: it can be dialled. */
  | { readonly kind: "listening"; readonly name: string; readonly peerAddress: string }
  /** The process is known to be gone: whatever it held in memory can't act any more. */
  | {
      readonly kind: "exited";
      readonly name: string;
      readonly code: number | null;
      readonly signal: string | null;
      /** What it said last; "" when nothing explains its end. */
      readonly detail: string;
      readonly expected: boolean;
    };

export interface Workloads {
  /** A process of this node exists from now on, until `remove`. The same settings again change nothing. */
  ensure(workload: NodeWorkload): Promise<void>;
  /** Ends the process: SIGTERM, then SIGKILL after a bounded time. The data stays. */
  remove(name: string): Promise<void>;
  list(): readonly WorkloadStatus[];
  /** Calls back at once, from the event itself. Returns the function that ends it. */
  watch(listener: (event: WorkloadEvent) => void): () => void;
  /** Removes all, in parallel. */
  close(): Promise<void>;
}
