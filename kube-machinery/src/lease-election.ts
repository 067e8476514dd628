import { randomUUID } from "node:crypto";
import { Worker } from "node:worker_threads";
import type { KubeEnvironment } from "./kube-config.js";
import type { LeaseTiming } from "./lease-contender.js";
import { ALIVE_AT, LEADING_UNTIL, type LeaseReport, type LeaseSettings } from "./lease-message.js";

export interface LeaseElectionOptions extends Partial<LeaseTiming> {
  /** Where the API server is: the thread has a connection of its own. */
  readonly environment: KubeEnvironment;
  readonly namespace: string;
  readonly name: string;
  /** For people: the pod's name. What tells processes apart is added to it. */
  readonly identity: string;
  readonly userAgent?: string;
  /** After such silence of this thread the lease is left to run out. Default 10 s. */
  readonly stallLimitMs?: number;
  readonly onLeading: () => void;
  /** Everything that a leader does must end now. It goes on competing until stop(). */
  readonly onLost: (reason: string) => void;
  /** Who holds the lease, whenever that changes. */
  readonly onHolder?: (identity: string) => void;
  readonly onError?: (message: string) => void;
}

const ENTRY = new URL("../dist/lease-worker.js", import.meta.url);
const BEAT_MS = 1_000;
const RESTART_MS = 1_000;
const STOP_LIMIT_MS = 3_000;

/**
 * Whether this process leads, decided on a thread of its own: a main loop that is busy for seconds keeps
 * its lease, and one that hangs for good loses it. It renews every second, acts for 3 s after a renewal, and
 * another takes over 4.5 s after one: within 5 s of a crash, with 1.5 s between them.
 */
export class LeaseElection {
  readonly identity: string;
  readonly #options: LeaseElectionOptions;
  readonly #clock = new BigInt64Array(new SharedArrayBuffer(16));
  #worker: Worker | undefined;
  #beat: NodeJS.Timeout | undefined;
  #restart: NodeJS.Timeout | undefined;
  /** What the callbacks were last told. */
  #toldLeading = false;
  #onStopped: (() => void) | undefined;

  constructor(options: LeaseElectionOptions) {
    this.#options = options;
    this.identity = `${options.identity}_${randomUUID()}`;
  }

  /** True while the server has confirmed it and time is not up; needs no turn of the event loop to become false. */
  isLeading(): boolean {
    return process.hrtime.bigint() < Atomics.load(this.#clock, LEADING_UNTIL);
  }

  /** A second call does nothing. */
  start(): void {
    if (this.#beat) return;
    this.#markAlive();
    this.#beat = setInterval(() => this.#markAlive(), BEAT_MS);
    this.#startWorker();
  }

  /** Gives the lease back, so that another leads at once. */
  async stop(): Promise<void> {
    clearInterval(this.#beat);
    clearTimeout(this.#restart);
    this.#beat = undefined;
    const worker = this.#worker;
    this.#worker = undefined;
    if (!worker) return;
    const stopped = new Promise<void>((resolve) => {
      this.#onStopped = resolve;
    });
    worker.postMessage("stop");
    const limit = setTimeout(() => this.#onStopped?.(), STOP_LIMIT_MS);
    await stopped;
    clearTimeout(limit);
    await worker.terminate();
    this.#lost("stopped");
  }

  #startWorker(): void {
    const { environment, namespace, name } = this.#options;
    const settings: LeaseSettings = {
      environment,
      namespace,
      name,
      identity: this.identity,
      userAgent: this.#options.userAgent ?? "kube-machinery",
      leaseDurationMs: this.#options.leaseDurationMs ?? 4_500,
      renewDeadlineMs: this.#options.renewDeadlineMs ?? 3_000,
      retryPeriodMs: this.#options.retryPeriodMs ?? 1_000,
      stallLimitMs: this.#options.stallLimitMs ?? 10_000,
      clock: this.#clock.buffer,
    };
    const worker = new Worker(ENTRY, {
      workerData: settings,
      name: "election",
      resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 },
    });
    this.#worker = worker;
    let failure = "the thread ended";
    worker.on("message", (report: LeaseReport) => this.#onReport(report));
    worker.on("error", (error) => {
      failure = error.message;
    });
    worker.on("exit", () => this.#onExit(worker, failure));
  }

  #onReport(report: LeaseReport): void {
    switch (report.type) {
      case "leading":
        // Said with every renewal; this one may be from long ago, if this thread was busy since.
        if (this.isLeading() && !this.#toldLeading) {
          this.#toldLeading = true;
          this.#options.onLeading();
        }
        return;
      case "lost":
        return this.#lost(report.reason);
      case "holder":
        return this.#options.onHolder?.(report.identity);
      case "error":
        return this.#options.onError?.(report.message);
      case "stopped":
        return this.#onStopped?.();
    }
  }

  #onExit(worker: Worker, failure: string): void {
    this.#onStopped?.();
    if (this.#worker !== worker) return;
    Atomics.store(this.#clock, LEADING_UNTIL, 0n);
    this.#options.onError?.(`the election's thread failed: ${failure}`);
    this.#lost("the election's thread failed");
    this.#restart = setTimeout(() => this.#startWorker(), RESTART_MS);
  }

  #lost(reason: string): void {
    if (!this.#toldLeading) return;
    this.#toldLeading = false;
    this.#options.onLost(reason);
  }

  #markAlive(): void {
    Atomics.store(this.#clock, ALIVE_AT, process.hrtime.bigint());
  }
}
