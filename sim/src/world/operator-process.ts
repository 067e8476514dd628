/** A running control plane: the real one, on the simulated store, supervisor and network. */
import type { PrismCluster } from "@prism/api/cluster";
import { ControlFrame } from "@prism/proto/gen/node";
import { ControlPlane } from "@prism/operator/control/control-plane";
import type { NodeDialer, NodeStream, NodeStreamHandlers } from "@prism/operator/ports/node-dialer";
import type { Store } from "@prism/operator/ports/store";
import type { WorkloadEvent, Workloads, WorkloadStatus } from "@prism/operator/ports/workloads";
import type { VirtualProcess } from "../runtime/virtual-process.js";
import type { Network } from "./network.js";
import { SILENT_LOG } from "./silent-log.js";

export interface OperatorProcessOptions {
  readonly name: string;
  readonly process: VirtualProcess;
  readonly store: Store;
  readonly network: Network;
  readonly cluster: PrismCluster;
  /** Names of the nodes whose processes run now. */
  readonly running: () => readonly string[];
  /** It could not take the lead; the process ends. */
  readonly onFailed: (error: unknown) => void;
}

export class OperatorProcess {
  readonly name: string;
  readonly process: VirtualProcess;
  readonly #options: OperatorProcessOptions;
  readonly #listeners = new Set<(event: WorkloadEvent) => void>();
  plane: ControlPlane | undefined;

  /** Runs in a turn of its process. */
  constructor(options: OperatorProcessOptions) {
    this.#options = options;
    this.name = options.name;
    this.process = options.process;
    const { cluster, store } = options;
    ControlPlane.start({
      cluster,
      store,
      workloads: this.#workloads(),
      dialer: this.#dialer(),
      log: SILENT_LOG,
      workersPerNode: 1,
      nodeEnv: {},
    }).then(
      (plane) => {
        this.plane = plane;
      },
      (error: unknown) => options.onFailed(error),
    );
  }

  /** Tells it of a node's process; in a turn of its own. */
  tell(event: WorkloadEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #workloads(): Workloads {
    const status = (name: string): WorkloadStatus =>
      ({
        name,
        state: "running",
        sinceMs: 0,
        exitsInARow: 0,
        retryAtMs: undefined,
        pid: undefined,
        peerAddress: name,
        httpUrl: undefined,
        adminUrl: undefined,
      }) as unknown as WorkloadStatus;
    return {
      ensure: () => Promise.resolve(),
      remove: () => Promise.resolve(),
      list: () => this.#options.running().map(status),
      watch: (listener) => {
        this.#listeners.add(listener);
        for (const name of this.#options.running()) {
          setTimeout(() => listener({ kind: "listening", name, peerAddress: name }), 1);
        }
        return () => this.#listeners.delete(listener);
      },
      close: () => Promise.resolve(),
    };
  }

  #dialer(): NodeDialer {
    const { network, process, name } = this.#options;
    return {
      dial: (address: string, handlers: NodeStreamHandlers): NodeStream => {
        const connection = network.dial(
          {
            process,
            host: name,
            onFrame: (bytes) => handlers.onFrame(ControlFrame.decode(bytes as Uint8Array)),
            onClosed: (detail) => handlers.onClosed(detail),
          },
          address,
          "control",
        );
        return {
          send: (frame) => connection.send(0, Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength)),
          close: () => connection.close(0),
        };
      },
    };
  }
}
