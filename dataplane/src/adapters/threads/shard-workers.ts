/**
 * The shard workers as the network thread sees them: starts the threads, routes each call to the one
 * that owns the shard, and watches that they turn their loops. See worker/worker-message.ts.
 */
import { Worker } from "node:worker_threads";
import type { ShardCall } from "@prism/proto/frame-kind";
import type { CopyReport } from "@prism/proto/gen/node";
import type { Logger } from "pino";
import type { ClusterMap, ShardUid } from "../../domain/cluster-map.js";
import { onHeard, onPingSent, silenceMs, startSilence, type LoopSilence } from "../../domain/loop-silence.js";
import type { MapDelta } from "../../domain/map-delta.js";
import type { ProtocolEvent } from "../../domain/protocol-event.js";
import { workerOfShard } from "../../domain/store-of-shard.js";
import { PendingCalls } from "../../services/pending-calls.js";
import type { LocalShards } from "../../services/routed-shard-calls.js";
import { ShardProblem, type ShardCallOptions } from "../../services/shard-calls.js";
import type { FromWorker, ToWorker, WorkerMemory, WorkerSettings } from "../../worker/worker-message.js";
import { fromCallError } from "../../services/call-error.js";
import { TurnMail } from "./turn-mail.js";

const PING_INTERVAL_MS = 250;

type CopyChange = Extract<FromWorker, { kind: "copyRequest" }>;
type Replication = Extract<FromWorker, { kind: "replication" }>;

export interface ShardWorkersEvents {
  readonly onReady: () => void;
  readonly onReplication: (message: Replication) => void;
  readonly onCopyRequest: (request: CopyChange) => void;
  readonly onReports: (worker: number) => void;
  readonly onStoreFailed: (directory: string, detail: string) => void;
  readonly onProtocolEvent: (event: ProtocolEvent) => void;
  /** The thread is gone and with it every copy it owned; the process can't go on as it is. */
  readonly onDied: (worker: number, detail: string) => void;
}

export interface ShardWorkersSettings {
  /** The built module that a worker runs. */
  readonly entry: URL;
  readonly workers: number;
  readonly stores: number;
  /** `worker` is filled in for each. */
  readonly worker: Omit<WorkerSettings, "worker" | "workers" | "stores">;
  readonly heapMegabytesPerWorker: number;
  readonly events: ShardWorkersEvents;
  /** Since anything was heard of the control plane. */
  readonly controlPlaneSilenceMs: () => number;
  readonly logger: Logger;
}

interface ShardWorker {
  readonly thread: Worker;
  readonly mail: TurnMail<ToWorker>;
  readonly calls: PendingCalls;
  /** Waiting for drained and closed, by id. */
  readonly steps: Map<number, () => void>;
  silence: LoopSilence;
  state: "starting" | "ready" | "closed" | "died";
  copies: readonly CopyReport[];
  memory: WorkerMemory | undefined;
}

export class ShardWorkers implements LocalShards {
  readonly #settings: ShardWorkersSettings;
  readonly #workers: ShardWorker[];
  readonly #pingTimer: NodeJS.Timeout;
  #nextId = 1;
  #closing = false;

  constructor(settings: ShardWorkersSettings) {
    this.#settings = settings;
    this.#workers = Array.from({ length: settings.workers }, (_, worker) => this.#start(worker));
    this.#pingTimer = setInterval(() => this.#ping(), PING_INTERVAL_MS);
  }

  get isReady(): boolean {
    return this.#workers.every((worker) => worker.state === "ready");
  }

  get count(): number {
    return this.#workers.length;
  }

  async call(
    shard: ShardUid,
    call: ShardCall,
    payload: Uint8Array,
    options: ShardCallOptions,
  ): Promise<Uint8Array> {
    const worker = this.#ownerOf(shard);
    if (worker.state === "closed" || worker.state === "died") {
      throw new ShardProblem("shardUnavailable", "the node is stopping", { executed: "no" });
    }
    const { id, answer } = worker.calls.open(call, options);
    const { timeoutMs } = options;
    post(worker, { kind: "call", id, call, shard, timeoutMs, payload: ownBytes(payload) });
    return await answer;
  }

  deliverReplication(shard: ShardUid, payload: Uint8Array): void {
    post(this.#ownerOf(shard), { kind: "replication", shard, payload: ownBytes(payload) });
  }

  /** `delta`: what made it of the map before it, which the workers hold. */
  applyMap(map: ClusterMap, delta?: MapDelta): void {
    const message: ToWorker = delta === undefined ? { kind: "map", map } : { kind: "mapDelta", delta };
    for (const worker of this.#workers) post(worker, message);
  }

  setPeerConnected(node: string, connected: boolean): void {
    for (const worker of this.#workers) post(worker, { kind: "peer", node, connected });
  }

  /** Copies of a thread that died are reported failed. */
  copies(): CopyReport[] {
    return this.#workers.flatMap((worker) =>
      worker.state === "died"
        ? worker.copies.map((copy) => ({ ...copy, role: "failed", reason: "CopyFailed" }))
        : worker.copies,
    );
  }

  /** Milliseconds since each worker last turned its loop. */
  silencesMs(): number[] {
    return this.#workers.map((worker) => silenceMs(worker.silence));
  }

  memory(): readonly (WorkerMemory | undefined)[] {
    return this.#workers.map((worker) => worker.memory);
  }

  /** Hands primaries off where that is possible in time; never rejects. */
  async drain(timeoutMs: number): Promise<void> {
    await this.#step((id) => ({ kind: "drain", id, timeoutMs }), timeoutMs);
  }

  /** Flushes and closes the stores, then ends the threads, those that do not answer in time too. */
  async close(timeoutMs: number): Promise<void> {
    this.#closing = true;
    clearInterval(this.#pingTimer);
    await this.#step((id) => ({ kind: "close", id }), timeoutMs);
    for (const worker of this.#workers) {
      if (worker.state !== "died") worker.state = "closed";
      worker.calls.failAll("the node is stopping");
    }
    await Promise.all(this.#workers.map((worker) => worker.thread.terminate()));
  }

  #ownerOf(shard: ShardUid): ShardWorker {
    const { stores, workers } = this.#settings;
    const worker = this.#workers[workerOfShard(shard, stores, workers)];
    if (worker === undefined) throw new RangeError("there is no worker");
    return worker;
  }

  #start(index: number): ShardWorker {
    const { entry, workers, stores, heapMegabytesPerWorker } = this.#settings;
    const workerData: WorkerSettings = { ...this.#settings.worker, worker: index, workers, stores };
    const thread = new Worker(entry, {
      name: `shards-${index}`,
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: heapMegabytesPerWorker },
    });
    const worker: ShardWorker = {
      thread,
      mail: new TurnMail<ToWorker>(thread),
      calls: new PendingCalls((id) => post(worker, { kind: "cancel", id })),
      steps: new Map(),
      silence: startSilence(performance.now()),
      state: "starting",
      copies: [],
      memory: undefined,
    };
    thread.on("message", (messages: readonly FromWorker[]) => {
      for (const message of messages) this.#onMessage(index, worker, message);
    });
    thread.on("messageerror", (error) => this.#onGone(index, worker, `unreadable message: ${error.message}`));
    thread.on("error", (error) => this.#onGone(index, worker, describeError(error)));
    thread.on("exit", (code) => this.#onGone(index, worker, `exit code ${code}`));
    return worker;
  }

  #onMessage(index: number, worker: ShardWorker, message: FromWorker): void {
    worker.silence = onHeard(worker.silence);
    const { events, logger } = this.#settings;
    switch (message.kind) {
      case "ready":
        worker.state = "ready";
        worker.copies = message.copies;
        events.onReady();
        return;
      case "answer":
        if (message.error !== undefined) worker.calls.reject(message.id, fromCallError(message.error));
        else worker.calls.resolve(message.id, message.payload ?? new Uint8Array(0));
        return;
      case "replication":
        events.onReplication(message);
        return;
      case "copyRequest":
        events.onCopyRequest(message);
        return;
      case "reports":
        worker.copies = message.copies;
        worker.memory = message.memory;
        events.onReports(index);
        return;
      case "pong":
        return;
      case "drained":
      case "closed":
        worker.steps.get(message.id)?.();
        return;
      case "storeFailed":
        events.onStoreFailed(message.directory, message.detail);
        return;
      case "protocolEvent":
        events.onProtocolEvent(message.event);
        return;
      case "log":
        logger[message.level]({ worker: index, ...message.fields }, message.message);
        return;
    }
  }

  #onGone(index: number, worker: ShardWorker, detail: string): void {
    for (const done of worker.steps.values()) done();
    if (worker.state === "died" || worker.state === "closed") return;
    worker.state = this.#closing ? "closed" : "died";
    worker.calls.failAll(`the worker thread ended: ${detail}`);
    if (!this.#closing) this.#settings.events.onDied(index, detail);
  }

  #ping(): void {
    const nowMs = performance.now();
    const controlPlaneSilenceMs = this.#settings.controlPlaneSilenceMs();
    for (const worker of this.#workers) {
      worker.silence = onPingSent(worker.silence, nowMs, PING_INTERVAL_MS);
      post(worker, { kind: "ping", id: this.#nextId++, controlPlaneSilenceMs });
    }
  }

  async #step(message: (id: number) => ToWorker, timeoutMs: number): Promise<void> {
    await Promise.all(
      this.#workers.map(async (worker) => {
        if (worker.state === "died" || worker.state === "closed") return;
        const id = this.#nextId++;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs);
          worker.steps.set(id, () => {
            clearTimeout(timer);
            resolve();
          });
          post(worker, message(id));
        });
        worker.steps.delete(id);
      }),
    );
  }
}

function post(worker: ShardWorker, message: ToWorker): void {
  worker.mail.post(message);
}

/**
 * A copy with a buffer of its own. Messages that came over gRPC are views of larger, pooled
 * buffers: posting one would clone the whole pool, transferring it would detach the pool.
 */
function ownBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

function describeError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
