/** The connections of a node to its peers: what PeerLinks is in a node, on the simulated network. */
import type { ShardCall } from "@prism/proto/frame-kind";
import type { CallError } from "@prism/proto/gen/node";
import type { ClusterMap, NodeId } from "@prism/dataplane/domain/cluster-map";
import { fromCallError } from "@prism/dataplane/services/call-error";
import { PendingCalls } from "@prism/dataplane/services/pending-calls";
import type { RemoteShards } from "@prism/dataplane/services/routed-shard-calls";
import { ShardProblem, type ShardCallOptions, type ShardTarget } from "@prism/dataplane/services/shard-calls";
import type { VirtualProcess } from "../runtime/virtual-process.js";
import type { Connection, Network } from "./network.js";

const FIRST_RETRY_MS = 20;
const MAX_RETRY_MS = 2000;
const HELLO_TIMEOUT_MS = 2000;

export type PeerFrame =
  | { readonly kind: "hello"; readonly nodeId: string }
  | {
      readonly kind: "request";
      readonly id: number;
      readonly call: ShardCall;
      readonly shard: string;
      readonly timeoutMs: number;
      readonly payload: Uint8Array;
    }
  | { readonly kind: "cancel"; readonly id: number }
  | {
      readonly kind: "response";
      readonly id: number;
      readonly payload?: Uint8Array;
      readonly error?: CallError;
    }
  | { readonly kind: "oneWay"; readonly shard: string; readonly payload: Uint8Array };

export interface PeerConnectionsOptions {
  readonly nodeId: NodeId;
  readonly host: string;
  readonly process: VirtualProcess;
  readonly network: Network;
  /** One-way frames may overtake each other, get lost or arrive twice. */
  readonly tosses: boolean;
  readonly onConnectionChange: (node: NodeId, connected: boolean) => void;
}

export class PeerConnections implements RemoteShards {
  readonly #options: PeerConnectionsOptions;
  readonly #peers = new Map<NodeId, Peer>();
  readonly #bootIds = new Map<NodeId, string>();

  constructor(options: PeerConnectionsOptions) {
    this.#options = options;
  }

  applyMap(map: ClusterMap): void {
    const wanted = new Map(map.nodes.map((node) => [node.id, node]));
    for (const [id, peer] of this.#peers) {
      if (wanted.has(id)) continue;
      this.#peers.delete(id);
      peer.end();
    }
    for (const { id, peerAddress, bootId } of map.nodes) {
      if (id === this.#options.nodeId || peerAddress === "") continue;
      const peer = this.#peers.get(id);
      if (peer === undefined) this.#peers.set(id, new Peer(id, peerAddress, this.#options));
      else if (this.#bootIds.get(id) !== bootId) peer.retryNow();
      this.#bootIds.set(id, bootId);
    }
  }

  /** The peer dialled us, so it is there. */
  onPeerSeen(node: NodeId): void {
    this.#peers.get(node)?.retryNow();
  }

  isConnected(node: NodeId): boolean {
    return this.#peers.get(node)?.isConnected ?? false;
  }

  async call(
    target: ShardTarget,
    call: ShardCall,
    payload: Uint8Array,
    options: ShardCallOptions,
  ): Promise<Uint8Array> {
    const peer = this.#peers.get(target.node);
    if (peer === undefined) {
      throw new ShardProblem("shardUnavailable", `node ${target.node} is not in the map`, { executed: "no" });
    }
    return await peer.call(target.shard, call, payload, options);
  }

  sendOneWay(node: NodeId, shard: string, payload: Uint8Array): void {
    this.#peers.get(node)?.sendOneWay(shard, payload);
  }
}

class Peer {
  readonly #node: NodeId;
  readonly #address: string;
  readonly #options: PeerConnectionsOptions;
  readonly #calls: PendingCalls;
  #connection: Connection | undefined;
  #connected = false;
  #failures = 0;
  #retry: NodeJS.Timeout | undefined;
  #helloTimer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(node: NodeId, address: string, options: PeerConnectionsOptions) {
    this.#node = node;
    this.#address = address;
    this.#options = options;
    this.#calls = new PendingCalls((id) => this.#send({ kind: "cancel", id }));
    this.#dial();
  }

  get isConnected(): boolean {
    return this.#connected;
  }

  async call(
    shard: string,
    call: ShardCall,
    payload: Uint8Array,
    options: ShardCallOptions,
  ): Promise<Uint8Array> {
    if (!this.#connected) {
      throw new ShardProblem("shardUnavailable", `${this.#node} is not connected`, { executed: "no" });
    }
    const { id, answer } = this.#calls.open(call, options);
    this.#send({ kind: "request", id, call, shard, timeoutMs: options.timeoutMs, payload });
    return await answer;
  }

  sendOneWay(shard: string, payload: Uint8Array): void {
    if (!this.#connected) return;
    const frame: PeerFrame = { kind: "oneWay", shard, payload };
    if (this.#options.tosses) this.#connection?.toss(0, frame);
    else this.#send(frame);
  }

  retryNow(): void {
    if (this.#ended || this.#connection !== undefined) return;
    clearTimeout(this.#retry);
    this.#failures = 0;
    this.#dial();
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#retry);
    this.#connection?.close(0);
    this.#lost("no peer any more");
  }

  #send(frame: PeerFrame): void {
    this.#connection?.send(0, frame);
  }

  #dial(): void {
    const { process, host, network, nodeId } = this.#options;
    const connection: Connection = network.dial(
      {
        process,
        host,
        onFrame: (frame) => {
          if (this.#connection === connection) this.#onFrame(connection, frame as PeerFrame);
        },
        onClosed: (detail) => {
          if (this.#connection === connection) this.#lost(detail);
        },
      },
      this.#address,
      "peer",
    );
    this.#connection = connection;
    this.#send({ kind: "hello", nodeId });
    this.#helloTimer = setTimeout(() => {
      if (this.#connection !== connection || this.#connected) return;
      connection.close(0);
      this.#lost("no hello");
    }, HELLO_TIMEOUT_MS);
  }

  #onFrame(connection: Connection, frame: PeerFrame): void {
    if (frame.kind === "hello") {
      // Another volume under the same name: nobody whom the map knows by this id.
      if (frame.nodeId !== this.#node) {
        connection.close(0);
        this.#lost("another node answers there");
        return;
      }
      clearTimeout(this.#helloTimer);
      this.#failures = 0;
      this.#connected = true;
      this.#options.onConnectionChange(this.#node, true);
    } else if (frame.kind === "response") {
      if (frame.error === undefined) this.#calls.resolve(frame.id, frame.payload ?? new Uint8Array(0));
      else this.#calls.reject(frame.id, fromCallError(frame.error));
    }
  }

  #lost(detail: string): void {
    clearTimeout(this.#helloTimer);
    const wasConnected = this.#connected;
    this.#connection = undefined;
    this.#connected = false;
    if (wasConnected) this.#options.onConnectionChange(this.#node, false);
    this.#calls.failAll(`the connection to ${this.#node} was lost: ${detail}`);
    if (this.#ended) return;
    const pauseMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(10, this.#failures));
    this.#failures += 1;
    this.#retry = setTimeout(() => this.#dial(), pauseMs);
  }
}
