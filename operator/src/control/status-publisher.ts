/**
 * Makes the status when something that it shows has changed, and sends it to the nodes, so that any of them answers
 * with it. The status of a large cluster is long and takes long to make: then it is made less often, and a part of
 * the nodes gets each.
 */
import type { StatusResponse } from "@prism/api/status";
import { deflatedFrame } from "@prism/proto/deflated-frame";
import { encodeFrame } from "./node-connection.js";
import type { NodeFleet } from "./node-fleet.js";

export interface StatusPublisherOptions {
  readonly build: () => StatusResponse;
  readonly fleet: NodeFleet;
  /** There is a new one. */
  readonly onStatus: (status: StatusResponse) => void;
}

const DEBOUNCE_MS = 100;
/** A large cluster's status takes long to make: this many times as long there is none, however much changes. */
const REST_FACTOR = 4;
/** One is made now and then though nothing is known to have changed: counts move. */
const INTERVAL_MS = 3000;
const INTERVAL_FACTOR = 30;
/** All nodes together are sent so much of statuses at most; what they answer with is older then. */
const BYTES_PER_SECOND = 8 * 1024 * 1024;

export class StatusPublisher {
  readonly #options: StatusPublisherOptions;
  #timer: NodeJS.Timeout | undefined;
  #interval: NodeJS.Timeout | undefined;
  #isStopped = false;
  #tookMs = 0;
  #recent: { readonly status: StatusResponse; readonly atMs: number } | undefined;
  /** Names of nodes that were not sent one since the others were. */
  #left: string[] = [];
  #sentAtMs = performance.now();

  constructor(options: StatusPublisherOptions) {
    this.#options = options;
  }

  /** Makes the first. */
  start(): void {
    this.#publish();
  }

  soon(): void {
    if (this.#isStopped) return;
    const restMs = Math.min(REST_FACTOR * this.#tookMs, INTERVAL_MS);
    this.#timer ??= setTimeout(() => this.#publish(), Math.max(DEBOUNCE_MS, restMs));
  }

  /** One that is not older than the time that it takes to make some. */
  recent(): StatusResponse {
    const { status, atMs } = this.#recent ?? {};
    if (status && atMs !== undefined && performance.now() - atMs < REST_FACTOR * this.#tookMs) return status;
    return this.#build();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#interval);
  }

  #publish(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#interval);
    this.#timer = undefined;
    const begunMs = performance.now();
    const status = this.#build();
    this.#options.onStatus(status);
    this.#send(status);
    const tookMs = performance.now() - begunMs;
    this.#interval = setTimeout(() => this.#publish(), Math.max(INTERVAL_MS, INTERVAL_FACTOR * tookMs));
  }

  #build(): StatusResponse {
    const begunMs = performance.now();
    const status = this.#options.build();
    const atMs = performance.now();
    this.#tookMs = atMs - begunMs;
    this.#recent = { status, atMs };
    return status;
  }

  #send(status: StatusResponse): void {
    const { fleet } = this.#options;
    const nowMs = performance.now();
    const elapsedMs = Math.min(nowMs - this.#sentAtMs, INTERVAL_MS);
    if (this.#left.length === 0) this.#left = Array.from(fleet.all(), ({ name }) => name);
    const frame = encodeFrame({ status: { statusJson: Buffer.from(JSON.stringify(status)) } });
    const deflated = deflatedFrame(frame);
    const count = Math.max(1, Math.floor((elapsedMs * BYTES_PER_SECOND) / 1000 / deflated.length));
    this.#sentAtMs = nowMs;
    for (const name of this.#left.splice(0, count)) {
      const node = fleet.get(name);
      node?.connection.sendEncoded(node.hello?.takesDeltas === true ? deflated : frame);
    }
  }
}
