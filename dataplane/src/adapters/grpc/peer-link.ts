/**
 * The connection of this node to one peer: a stream that carries our requests and one-way frames
 * there, and the answers back. The peer dials us for its own.
 *
 *   idle -> dialling -(their hello)-> connected -(any break)-> waiting -(back-off)-> dialling ...
 *
 * Each attempt has its own gRPC client, so that no connection state of gRPC outlives it. A break
 * ends every call in flight at once and is told to the listener before anything is tried again.
 */
import type { Client } from "@grpc/grpc-js";
import { PeerFrameKind, type ShardCall } from "@prism/proto/frame-kind";
import { PeerFrames, PeerHello, type PeerFrame } from "@prism/proto/gen/node";
import type { InternalCredentials } from "@prism/proto/internal-credentials";
import { PEER_STREAM_PATH } from "@prism/proto/node-service";
import type { Logger } from "pino";
import { PendingCalls, toTimerMs } from "../../services/pending-calls.js";
import { ShardProblem, type ShardCallOptions } from "../../services/shard-calls.js";
import { fromCallError } from "../../services/call-error.js";
import { FramePacker } from "./frame-writer.js";
import {
  encodeCancel,
  encodeHello,
  encodeOneWay,
  encodeRequest,
  MAX_PAYLOAD_BYTES,
  type PeerIdentity,
} from "./peer-frames.js";

const HELLO_TIMEOUT_MS = 2000;
const FIRST_RETRY_MS = 20;
const MAX_RETRY_MS = 2000;
/** Bytes queued for a peer that reads too slowly; beyond, one-way frames are dropped, requests refused. */
const MAX_QUEUED_BYTES = 32 * 1024 * 1024;

export interface PeerLinkSettings {
  readonly self: PeerIdentity;
  readonly peerNodeId: string;
  readonly address: string;
  readonly credentials: InternalCredentials;
  readonly onConnectionChange: (connected: boolean) => void;
  readonly logger: Logger;
  /** In [0, 1): spreads the retries of many nodes. */
  readonly random: () => number;
}

interface Attempt {
  readonly client: Client;
  readonly stream: ReturnType<typeof openStream>;
  readonly writer: FramePacker;
  readonly helloTimer: NodeJS.Timeout;
}

export class PeerLink {
  readonly #settings: PeerLinkSettings;
  readonly #calls: PendingCalls;
  #attempt: Attempt | undefined;
  #connected = false;
  #failures = 0;
  #retryTimer: NodeJS.Timeout | undefined;
  #closed = false;
  #lastReason = "";
  #droppedFrames = 0;
  #peerBootId = "";

  constructor(settings: PeerLinkSettings) {
    this.#settings = settings;
    this.#calls = new PendingCalls((id) => this.#attempt?.writer.write(encodeCancel(id)));
    this.#dial();
  }

  get address(): string {
    return this.#settings.address;
  }

  get isConnected(): boolean {
    return this.#connected;
  }

  /** What /debug shows. */
  describe(): Readonly<Record<string, unknown>> {
    return {
      node: this.#settings.peerNodeId,
      address: this.#settings.address,
      connected: this.#connected,
      bootId: this.#peerBootId,
      callsInFlight: this.#calls.size,
      queuedBytes: this.#attempt?.writer.queuedBytes ?? 0,
      droppedFrames: this.#droppedFrames,
      lastBreak: this.#lastReason,
    };
  }

  async call(
    shard: string,
    call: ShardCall,
    payload: Uint8Array,
    options: ShardCallOptions,
  ): Promise<Uint8Array> {
    const writer = this.#connected ? this.#attempt?.writer : undefined;
    if (writer === undefined) throw this.#unavailable("is not connected");
    if (payload.byteLength > MAX_PAYLOAD_BYTES) {
      const detail = `a message of ${payload.byteLength} bytes to another node exceeds ${MAX_PAYLOAD_BYTES}`;
      throw new ShardProblem("limitExceeded", detail, { executed: "no" });
    }
    const { id, answer } = this.#calls.open(call, options);
    const timeoutMs = toTimerMs(options.timeoutMs);
    if (!writer.write(encodeRequest(id, call, shard, timeoutMs, payload))) {
      this.#calls.reject(id, this.#unavailable("takes no more requests now"));
    }
    return await answer;
  }

  /** Drops the frame when the peer is away or reads too slowly: the replication protocol sends again. */
  sendOneWay(call: ShardCall, shard: string, payload: Uint8Array): void {
    const writer = this.#connected ? this.#attempt?.writer : undefined;
    const isSent =
      writer !== undefined &&
      payload.byteLength <= MAX_PAYLOAD_BYTES &&
      writer.write(encodeOneWay(call, shard, payload));
    if (!isSent) this.#droppedFrames += 1;
  }

  /** There is a sign that the peer is back: try now instead of at the end of the back-off. */
  retryNow(): void {
    if (this.#closed || this.#attempt !== undefined) return;
    clearTimeout(this.#retryTimer);
    this.#failures = 0;
    this.#dial();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retryTimer);
    this.#break("closed by this node");
  }

  #unavailable(what: string): ShardProblem {
    return new ShardProblem("shardUnavailable", `node ${this.#settings.peerNodeId} ${what}`, {
      executed: "no",
    });
  }

  #dial(): void {
    const client = this.#settings.credentials.client(this.#settings.address);
    const stream = openStream(client);
    const helloTimer = setTimeout(
      () => this.#onBreak(attempt, `no hello within ${HELLO_TIMEOUT_MS} ms`),
      HELLO_TIMEOUT_MS,
    );
    const attempt: Attempt = {
      client,
      stream,
      helloTimer,
      writer: new FramePacker(stream, MAX_QUEUED_BYTES),
    };
    this.#attempt = attempt;
    stream.on("data", (bytes: Buffer) => this.#onFrame(attempt, bytes));
    stream.on("error", (error: Error) => this.#onBreak(attempt, error.message));
    stream.on("end", () => this.#onBreak(attempt, "the peer ended the stream"));
    attempt.writer.write(encodeHello(this.#settings.self));
  }

  #onFrame(attempt: Attempt, bytes: Buffer): void {
    if (attempt !== this.#attempt) return;
    try {
      for (const frame of PeerFrames.decode(bytes).frames) this.#take(attempt, frame);
    } catch (error) {
      this.#onBreak(attempt, `the peer sent a frame that does not parse: ${String(error)}`);
    }
  }

  /** @throws {Error} when what the frame carries does not parse. */
  #take(attempt: Attempt, frame: PeerFrame): void {
    if (attempt !== this.#attempt) return;
    if (frame.kind === PeerFrameKind.hello) this.#onHello(attempt, PeerHello.decode(frame.payload));
    else if (frame.kind === PeerFrameKind.response) {
      if (frame.error === undefined) this.#calls.resolve(frame.id, frame.payload);
      else this.#calls.reject(frame.id, fromCallError(frame.error));
    }
    // Other kinds are of a later version: a node that speaks them finds out who understands first.
  }

  #onHello(attempt: Attempt, hello: PeerHello): void {
    const { self, peerNodeId } = this.#settings;
    if (hello.nodeId !== peerNodeId || hello.clusterId !== self.clusterId) {
      this.#onBreak(attempt, `node ${hello.nodeId} of cluster ${hello.clusterId} answers there`);
      return;
    }
    clearTimeout(attempt.helloTimer);
    this.#failures = 0;
    this.#lastReason = "";
    this.#peerBootId = hello.bootId;
    this.#connected = true;
    this.#settings.logger.info(
      { peer: peerNodeId, address: this.address, bootId: hello.bootId },
      "connected to peer",
    );
    this.#settings.onConnectionChange(true);
  }

  #onBreak(attempt: Attempt, reason: string): void {
    if (attempt !== this.#attempt) return;
    this.#break(reason);
    if (this.#closed) return;
    this.#retryTimer = setTimeout(() => this.#dial(), this.#nextDelayMs());
  }

  #break(reason: string): void {
    const attempt = this.#attempt;
    const wasConnected = this.#connected;
    this.#attempt = undefined;
    this.#connected = false;
    if (attempt !== undefined) {
      clearTimeout(attempt.helloTimer);
      attempt.writer.close();
      // A cancelled stream still emits an error, which must have a listener; ours ignores old attempts.
      attempt.stream.cancel();
      attempt.client.close();
    }
    this.#calls.failAll(`the connection to node ${this.#settings.peerNodeId} broke: ${reason}`);
    // One line per change of reason, not one per attempt.
    if (!this.#closed && reason !== this.#lastReason) {
      const fields = { peer: this.#settings.peerNodeId, address: this.address, reason: "ConnectionBroken" };
      this.#settings.logger.info({ ...fields, detail: reason }, "no connection to peer");
    }
    this.#lastReason = reason;
    if (wasConnected) this.#settings.onConnectionChange(false);
  }

  /** Exponential with full jitter above the first, fast retry. */
  #nextDelayMs(): number {
    const ceilingMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures);
    this.#failures += 1;
    return ceilingMs / 2 + (this.#settings.random() * ceilingMs) / 2;
  }
}

function openStream(client: Client) {
  return client.makeBidiStreamRequest<Buffer, Buffer>(
    PEER_STREAM_PATH,
    (bytes) => bytes,
    (bytes) => bytes,
  );
}
