/**
 * The accepting side of peer streams: runs the requests of other nodes on this node's workers and
 * passes their one-way frames on. A stream belongs to the process whose hello opened it. A node has one
 * stream to another at a time, so when it says hello again, from the same process or a newer one, its
 * older streams are closed: their requests would be executed for nobody.
 */
import { status, type ServerDuplexStream } from "@grpc/grpc-js";
import { PeerFrameKind, ShardCall } from "@prism/proto/frame-kind";
import { PeerFrames, PeerHello, type PeerFrame } from "@prism/proto/gen/node";
import type { Logger } from "pino";
import type { NodeId, ShardUid } from "../../domain/cluster-map.js";
import type { LocalShards } from "../../services/routed-shard-calls.js";
import { ShardProblem } from "../../services/shard-calls.js";
import { FramePacker } from "./frame-writer.js";
import {
  encodeFailure,
  encodeHello,
  encodeResponse,
  MAX_PAYLOAD_BYTES,
  type PeerIdentity,
} from "./peer-frames.js";

const HELLO_TIMEOUT_MS = 5000;
/** Answers wait here for a peer that reads slowly; beyond, its stream is closed: it can't be served. */
const MAX_QUEUED_BYTES = 256 * 1024 * 1024;

type Stream = ServerDuplexStream<Buffer, Buffer>;

export interface PeerEndpointSettings {
  /** The cluster id is "" as long as the node belongs to none. */
  readonly identity: () => PeerIdentity;
  readonly shards: LocalShards;
  readonly onReplication: (shard: ShardUid, payload: Uint8Array) => void;
  readonly onPeerSeen: (node: NodeId) => void;
  readonly logger: Logger;
}

export class PeerEndpoint {
  readonly #settings: PeerEndpointSettings;
  readonly #open = new Set<IncomingPeer>();

  constructor(settings: PeerEndpointSettings) {
    this.#settings = settings;
  }

  readonly accept = (stream: Stream): void => {
    const peer = new IncomingPeer(stream, this.#settings, {
      onHello: (hello) => this.#closeOlder(peer, hello),
      onClosed: () => this.#open.delete(peer),
    });
    this.#open.add(peer);
  };

  close(): void {
    for (const peer of this.#open) peer.close(status.UNAVAILABLE, "the node is stopping");
  }

  #closeOlder(newest: IncomingPeer, hello: PeerIdentity): void {
    for (const other of this.#open) {
      if (other === newest || other.peer?.nodeId !== hello.nodeId) continue;
      const isSame = other.peer.bootId === hello.bootId;
      const detail = `${isSame ? "this node" : "a newer process of this node"} connected again`;
      other.close(status.ABORTED, detail);
    }
  }
}

interface IncomingPeerEvents {
  readonly onHello: (hello: PeerIdentity) => void;
  readonly onClosed: () => void;
}

class IncomingPeer {
  readonly #stream: Stream;
  readonly #settings: PeerEndpointSettings;
  readonly #events: IncomingPeerEvents;
  readonly #writer: FramePacker;
  readonly #helloTimer: NodeJS.Timeout;
  /** Requests being executed, to be given up by a cancel frame or with the stream. */
  readonly #running = new Map<number, AbortController>();
  #closed = false;
  peer: PeerIdentity | undefined;

  constructor(stream: Stream, settings: PeerEndpointSettings, events: IncomingPeerEvents) {
    this.#stream = stream;
    this.#settings = settings;
    this.#events = events;
    this.#writer = new FramePacker(stream, MAX_QUEUED_BYTES);
    this.#helloTimer = setTimeout(
      () => this.close(status.DEADLINE_EXCEEDED, "no hello in time"),
      HELLO_TIMEOUT_MS,
    );
    stream.on("data", (bytes: Buffer) => this.#onBytes(bytes));
    stream.on("error", () => this.#forget());
    stream.on("cancelled", () => this.#forget());
    stream.on("close", () => this.#forget());
    stream.on("end", () => {
      this.#forget();
      stream.end();
    });
  }

  close(code: status, detail: string): void {
    if (this.#closed) return;
    this.#forget();
    this.#stream.emit("error", { code, details: detail });
  }

  #forget(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#helloTimer);
    this.#writer.close();
    for (const controller of this.#running.values()) controller.abort();
    this.#running.clear();
    this.#events.onClosed();
  }

  #onBytes(bytes: Buffer): void {
    if (this.#closed) return;
    try {
      for (const frame of PeerFrames.decode(bytes).frames) this.#take(frame);
    } catch {
      this.close(status.INVALID_ARGUMENT, "a frame does not parse");
    }
  }

  /** @throws {Error} when what the frame carries does not parse. */
  #take(frame: PeerFrame): void {
    if (this.#closed) return;
    if (frame.kind === PeerFrameKind.hello) this.#onHello(PeerHello.decode(frame.payload));
    else if (this.peer === undefined) {
      this.close(status.FAILED_PRECONDITION, "the first frame must be a hello");
    } else this.#onFrame(frame);
  }

  #onHello(hello: PeerHello): void {
    const self = this.#settings.identity();
    if (self.clusterId === "" || hello.clusterId !== self.clusterId) {
      const own = self.clusterId === "" ? "no cluster yet" : `cluster ${self.clusterId}`;
      const detail = `node ${self.nodeId} belongs to ${own}, not to cluster ${hello.clusterId}`;
      this.#settings.logger.info(
        { peer: hello.nodeId, clusterId: hello.clusterId, detail },
        "refused a peer",
      );
      this.close(status.FAILED_PRECONDITION, detail);
      return;
    }
    clearTimeout(this.#helloTimer);
    this.peer = hello;
    this.#events.onHello(hello);
    this.#writer.write(encodeHello(self));
    this.#settings.onPeerSeen(hello.nodeId as NodeId);
  }

  #onFrame(frame: PeerFrame): void {
    switch (frame.kind as PeerFrameKind) {
      case PeerFrameKind.request:
        void this.#execute(frame);
        return;
      case PeerFrameKind.cancel:
        this.#running.get(frame.id)?.abort();
        return;
      case PeerFrameKind.oneWay:
        if (frame.call === ShardCall.replication) {
          this.#settings.onReplication(frame.shard as ShardUid, frame.payload);
        }
        return;
      case PeerFrameKind.hello:
      case PeerFrameKind.response:
        return;
    }
  }

  async #execute(frame: PeerFrame): Promise<void> {
    const controller = new AbortController();
    this.#running.set(frame.id, controller);
    const options = { timeoutMs: frame.timeoutMs, signal: controller.signal };
    let answer: Uint8Array;
    try {
      const payload = await this.#settings.shards.call(
        frame.shard as ShardUid,
        frame.call as ShardCall,
        frame.payload,
        options,
      );
      answer = encodeResponse(frame.id, withinFrame(payload));
    } catch (error) {
      answer = encodeFailure(frame.id, error);
    }
    this.#running.delete(frame.id);
    if (this.#closed || controller.signal.aborted) return;
    if (!this.#writer.write(answer)) {
      this.close(status.RESOURCE_EXHAUSTED, `more than ${MAX_QUEUED_BYTES} bytes of answers wait to be read`);
    }
  }
}

function withinFrame(payload: Uint8Array): Uint8Array {
  if (payload.byteLength <= MAX_PAYLOAD_BYTES) return payload;
  const detail = `the shard's answer of ${payload.byteLength} bytes exceeds ${MAX_PAYLOAD_BYTES}; ask for less`;
  throw new ShardProblem("limitExceeded", detail);
}
