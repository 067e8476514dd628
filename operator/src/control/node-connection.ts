/**
 * The Control stream to one node: dialled, greeted, kept, and dialled again when it breaks.
 *
 *   idle --dial--> greeting --NodeHello--> open --broken--> waiting --delay--> greeting ...
 */
import { ControlFrame, type NodeHello, type NodeReport } from "@prism/proto/gen/node";
import type { DialPace } from "./dial-pace.js";
import type { NodeDialer, NodeStream } from "../ports/node-dialer.js";

export interface ConnectionIdentity {
  readonly clusterId: string;
  readonly clusterName: string;
  readonly leaderEpoch: number;
}

export interface ConnectionHandlers {
  readonly onHello: (hello: NodeHello) => void;
  readonly onReport: (report: NodeReport) => void;
  readonly onFrame: (frame: ControlFrame) => void;
  /** An open connection broke. */
  readonly onDisconnected: (detail: string) => void;
  /** The node can't be used: it belongs to another cluster. */
  readonly onRefused: (detail: string) => void;
}

const REDIAL_BASE_MS = 25;
const REDIAL_MAX_MS = 1000;
const HELLO_TIMEOUT_MS = 5000;

export class NodeConnection {
  readonly #dialer: NodeDialer;
  readonly #identity: ConnectionIdentity;
  readonly #handlers: ConnectionHandlers;
  readonly #pace: DialPace;
  #isDue = false;
  #address: string | undefined;
  #stream: NodeStream | undefined;
  #isOpen = false;
  #attempts = 0;
  #redial: NodeJS.Timeout | undefined;
  #helloTimer: NodeJS.Timeout | undefined;

  constructor(
    dialer: NodeDialer,
    identity: ConnectionIdentity,
    pace: DialPace,
    handlers: ConnectionHandlers,
  ) {
    this.#dialer = dialer;
    this.#pace = pace;
    this.#identity = identity;
    this.#handlers = handlers;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Dials this address from now on, and again whenever the connection breaks. */
  dial(address: string): void {
    if (this.#address === address && (this.#stream || this.#isDue)) return;
    this.hangUp("the node has another address");
    this.#address = address;
    this.#attempts = 0;
    this.#dialSoon();
  }

  /** Nobody is there to be dialled until `dial` is called again. */
  hangUp(detail: string): void {
    this.#address = undefined;
    if (this.#redial) clearTimeout(this.#redial);
    this.#redial = undefined;
    this.#close(detail);
  }

  /** Closes the connection and dials again. */
  reconnect(detail: string): void {
    this.#close(detail);
  }

  send(frame: Partial<ControlFrame>): void {
    this.sendEncoded(encodeFrame(frame));
  }

  sendEncoded(frame: Uint8Array): void {
    if (this.#isOpen) this.#stream?.send(frame);
  }

  #dialSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#pace.add(() => {
      this.#isDue = false;
      if (this.#address !== undefined && !this.#stream) this.#dialNow(this.#address);
    });
  }

  #dialNow(address: string): void {
    const stream: NodeStream = this.#dialer.dial(address, {
      onFrame: (frame) => {
        if (this.#stream === stream) this.#onFrame(frame);
      },
      onClosed: (detail) => {
        if (this.#stream === stream) this.#onClosed(detail);
      },
    });
    this.#stream = stream;
    // When this process stood still, the hello may have come and waits to be read.
    this.#helloTimer = setTimeout(() => setImmediate(() => this.#onNoHello(stream)), HELLO_TIMEOUT_MS);
    const { clusterId, clusterName, leaderEpoch } = this.#identity;
    stream.send(encodeFrame({ hello: { clusterId, clusterName, leaderEpoch } }));
  }

  #onNoHello(stream: NodeStream): void {
    if (this.#stream === stream && !this.#isOpen) this.#close("the node sent no hello");
  }

  #onFrame(frame: ControlFrame): void {
    if (frame.nodeHello) this.#onHello(frame.nodeHello);
    else if (!this.#isOpen) this.#close("the first frame is not a hello");
    else if (frame.report) this.#handlers.onReport(frame.report);
    else this.#handlers.onFrame(frame);
  }

  #onHello(hello: NodeHello): void {
    if (this.#helloTimer) clearTimeout(this.#helloTimer);
    const { clusterId } = this.#identity;
    if (hello.clusterId !== "" && hello.clusterId !== clusterId) {
      this.#handlers.onRefused(`its data belongs to cluster ${hello.clusterId}, not to ${clusterId}`);
      this.#close("another cluster's node");
      return;
    }
    this.#isOpen = true;
    this.#attempts = 0;
    this.#handlers.onHello(hello);
  }

  #close(detail: string): void {
    const stream = this.#stream;
    if (!stream) return;
    this.#onClosed(detail);
    stream.close();
  }

  #onClosed(detail: string): void {
    const wasOpen = this.#isOpen;
    this.#stream = undefined;
    this.#isOpen = false;
    if (this.#helloTimer) clearTimeout(this.#helloTimer);
    if (this.#address !== undefined) {
      const delayMs = Math.min(REDIAL_MAX_MS, REDIAL_BASE_MS * 2 ** Math.min(this.#attempts, 10));
      this.#attempts += 1;
      this.#redial = setTimeout(() => this.#dialSoon(), delayMs);
    }
    if (wasOpen) this.#handlers.onDisconnected(detail);
  }
}

export function encodeFrame(frame: Partial<ControlFrame>): Uint8Array {
  return ControlFrame.encode({ id: 0, ...frame });
}
