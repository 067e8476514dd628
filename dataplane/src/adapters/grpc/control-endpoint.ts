/**
 * The node's side of the control plane, which dials the node. One stream counts at a time: that of
 * the highest leader epoch, and of equal epochs the newest, because a control plane that dials again
 * has lost its older stream.
 */
import { status, type ServerDuplexStream } from "@grpc/grpc-js";
import { Problem } from "@prism/api/problem-code";
import type {
  ClusterMap as WireClusterMap,
  MapDelta as WireMapDelta,
  CollectionAnswer,
  ControlFrame,
  ControlHello,
  CopyRequest,
  NodeHello,
  NodeReport,
} from "@prism/proto/gen/node";
import type { Logger } from "pino";
import type { CurrentMap } from "../../services/current-map.js";
import {
  COLLECTION_RESULTS,
  type CollectionAction,
  type CollectionOutcome,
  type ControlPlane,
} from "../../services/control-plane.js";
import { RequestPace } from "../../domain/request-pace.js";
import { toTimerMs } from "../../services/pending-calls.js";
import { fromCallError } from "../../services/call-error.js";
import { fromWireDelta, fromWireMap } from "../wire/cluster-map.js";
import { ControlStream } from "./control-stream.js";

/** Changes that come together, such as all copies of a node after a map, go up in one report. */
const REPORT_DEBOUNCE_MS = 20;

const utf8 = new TextDecoder();

export interface ControlEndpointSettings {
  readonly nodeHello: () => NodeHello;
  readonly nodeReport: () => NodeReport;
  /** "" while the node belongs to no cluster. */
  readonly clusterId: () => string;
  /** The node joins this cluster, for good. */
  readonly joinCluster: (clusterId: string) => void;
  readonly maps: Pick<CurrentMap, "map" | "offer" | "offerDelta">;
  /** Of the newest leader that the node heard of before this start. */
  readonly leaderEpoch: number;
  readonly logger: Logger;
}

interface PendingCollection {
  readonly resolve: (outcome: CollectionOutcome) => void;
  readonly reject: (problem: Problem) => void;
  readonly timer: NodeJS.Timeout;
}

export class ControlEndpoint implements ControlPlane {
  readonly #settings: ControlEndpointSettings;
  readonly #streams = new Set<ControlStream>();
  readonly #pending = new Map<number, PendingCollection>();
  readonly #onDisconnected: (() => void)[] = [];
  readonly #pace = new RequestPace();
  #leading: ControlStream | undefined;
  /** From which the newest map came: only what this one says of changes since then can be applied to it. */
  #mapStream: ControlStream | undefined;
  #leaderEpoch: number;
  #nextId = 1;
  #heardAtMs = Number.NEGATIVE_INFINITY;
  #status: unknown;
  /** The newest one told, as long as nobody has asked for it: most nodes are never asked. */
  #statusJson: Uint8Array | undefined;
  #reportTimer: NodeJS.Timeout | undefined;

  constructor(settings: ControlEndpointSettings) {
    this.#settings = settings;
    this.#leaderEpoch = settings.leaderEpoch;
  }

  readonly accept = (stream: ServerDuplexStream<Buffer, Buffer>): void => {
    this.#streams.add(
      new ControlStream(stream, {
        onHello: (from, hello) => this.#onHello(from, hello),
        onFrame: (from, frame) => this.#onFrame(from, frame),
        onClosed: (from) => this.#onClosed(from),
      }),
    );
  };

  isConnected(): boolean {
    return this.#leading !== undefined;
  }

  /** Resolves when no control plane is connected; at once when none is. */
  async disconnected(): Promise<void> {
    if (this.#leading === undefined) return;
    await new Promise<void>((resolve) => this.#onDisconnected.push(resolve));
  }

  /** Since a frame of the leading control plane came; infinite before the first. */
  silenceMs(): number {
    return performance.now() - this.#heardAtMs;
  }

  get leaderEpoch(): number {
    return this.#leaderEpoch;
  }

  status(): unknown {
    const json = this.#statusJson;
    this.#statusJson = undefined;
    if (json !== undefined) this.#readStatus(json);
    return this.#status;
  }

  /** Something in the node's report changed that the control plane decides by. */
  reportSoon(): void {
    this.#reportTimer ??= setTimeout(() => this.reportNow(), REPORT_DEBOUNCE_MS);
  }

  reportNow(): void {
    clearTimeout(this.#reportTimer);
    this.#reportTimer = undefined;
    this.#leading?.send({ report: this.#settings.nodeReport() });
  }

  /** A request without an answer: the copy asks again until a newer map confirms or refuses it. */
  requestCopyChange(request: CopyRequest): void {
    if (this.#leading && this.#pace.admits(request, performance.now()))
      this.#leading.send({ copyRequest: request });
  }

  announceDrain(reason: string): void {
    this.#leading?.send({ drain: { reason } });
  }

  async requestCollection(
    action: CollectionAction,
    name: string,
    spec: unknown,
    options: { readonly timeoutMs: number },
  ): Promise<CollectionOutcome> {
    const stream = this.#leading;
    if (stream === undefined) {
      throw new Problem("controlPlaneUnavailable", "no control plane is connected to this node");
    }
    const id = this.#nextId++;
    const specJson = spec === undefined ? new Uint8Array(0) : Buffer.from(JSON.stringify(spec));
    return await new Promise<CollectionOutcome>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        const detail = `the control plane did not answer within ${options.timeoutMs} ms`;
        reject(new Problem("outcomeUnknown", detail));
      }, toTimerMs(options.timeoutMs));
      this.#pending.set(id, { resolve, reject, timer });
      if (stream.send({ collectionRequest: { action, name, specJson } }, id)) return;
      this.#take(id);
      reject(new Problem("controlPlaneUnavailable", "the control plane reads too slowly"));
    });
  }

  close(): void {
    clearTimeout(this.#reportTimer);
    for (const stream of this.#streams) stream.close(status.UNAVAILABLE, "the node is stopping");
  }

  #onHello(stream: ControlStream, hello: ControlHello): string | undefined {
    const { clusterId, joinCluster, nodeHello, logger } = this.#settings;
    const fields = { clusterId: hello.clusterId, leaderEpoch: hello.leaderEpoch };
    const refusal = this.#refusal(hello, clusterId());
    if (refusal !== undefined) {
      logger.warn({ ...fields, detail: refusal }, "refused a control plane");
      return refusal;
    }
    if (clusterId() === "") joinCluster(hello.clusterId);
    this.#leading?.close(status.ABORTED, `a control plane of epoch ${hello.leaderEpoch} took over`);
    this.#leaderEpoch = hello.leaderEpoch;
    this.#leading = stream;
    this.#pace.clear();
    logger.info(fields, "control plane connected");
    stream.send({ nodeHello: nodeHello() });
    return undefined;
  }

  #refusal(hello: ControlHello, clusterId: string): string | undefined {
    if (hello.clusterId === "") return "the hello names no cluster";
    if (clusterId !== "" && hello.clusterId !== clusterId) {
      return `this node belongs to cluster ${clusterId}, not to ${hello.clusterId}`;
    }
    if (hello.leaderEpoch < this.#leaderEpoch) {
      return `leader epoch ${hello.leaderEpoch} is older than ${this.#leaderEpoch}`;
    }
    return undefined;
  }

  #onFrame(stream: ControlStream, frame: ControlFrame): void {
    // A stream that was overtaken may still hold frames of the older leader.
    if (stream !== this.#leading) return;
    this.#heardAtMs = performance.now();
    if (frame.heartbeat !== undefined) this.#answerHeartbeat(frame.heartbeat.sentAtMs);
    if (frame.map !== undefined) this.#onMap(stream, frame.map);
    if (frame.mapDelta !== undefined) this.#onMapDelta(stream, frame.mapDelta);
    if (frame.collectionAnswer !== undefined) this.#onCollectionAnswer(frame.id, frame.collectionAnswer);
    if (frame.status !== undefined) this.#statusJson = frame.status.statusJson;
    if (frame.copyAnswer !== undefined && frame.copyAnswer.refusal !== "") {
      const { shardUid, allocationId, refusal } = frame.copyAnswer;
      this.#settings.logger.info(
        { shard: shardUid, copy: allocationId, reason: refusal },
        "copy change refused",
      );
    }
  }

  #answerHeartbeat(sentAtMs: number): void {
    clearTimeout(this.#reportTimer);
    this.#reportTimer = undefined;
    this.#leading?.send({ report: { ...this.#settings.nodeReport(), sentAtMs } });
  }

  #onMap(stream: ControlStream, wire: WireClusterMap): void {
    const map = this.#read(stream, wire, () => fromWireMap(wire));
    if (map === undefined) return;
    if (this.#settings.maps.offer(map)) this.#mapStream = stream;
    this.#confirmMap(stream, false);
  }

  #onMapDelta(stream: ControlStream, wire: WireMapDelta): void {
    const delta = this.#read(stream, wire.changed, () => fromWireDelta(wire));
    if (delta === undefined) return;
    // A revision alone proves no base: a control plane whose store was put back gives the same ones out again.
    const isApplied = stream === this.#mapStream && this.#settings.maps.offerDelta(delta);
    this.#confirmMap(stream, !isApplied);
  }

  #confirmMap(stream: ControlStream, needsWhole: boolean): void {
    stream.send({ mapApplied: { revision: this.#settings.maps.map()?.revision ?? 0, needsWhole } });
  }

  /** Closes the stream on what can't be read: nothing that comes after it could be trusted. */
  #read<T>(stream: ControlStream, wire: WireClusterMap | undefined, read: () => T): T | undefined {
    const { clusterId, logger } = this.#settings;
    try {
      if (wire?.clusterId !== clusterId()) throw new Error(`it is the map of cluster ${wire?.clusterId}`);
      return read();
    } catch (error) {
      const revision = wire?.revision;
      logger.error({ revision, detail: String(error) }, "refused a cluster map");
      stream.close(status.INVALID_ARGUMENT, `cluster map ${revision}: ${String(error)}`);
      return undefined;
    }
  }

  #readStatus(json: Uint8Array): void {
    try {
      this.#status = JSON.parse(utf8.decode(json));
    } catch (error) {
      this.#settings.logger.warn({ detail: String(error) }, "the control plane's status does not parse");
    }
  }

  #onCollectionAnswer(id: number, answer: CollectionAnswer): void {
    const pending = this.#take(id);
    if (pending === undefined) return;
    if (answer.error !== undefined) {
      pending.reject(fromCallError(answer.error));
      return;
    }
    try {
      pending.resolve(parseOutcome(answer));
    } catch (error) {
      pending.reject(
        new Problem("internalError", `the control plane's answer does not parse: ${String(error)}`),
      );
    }
  }

  #onClosed(stream: ControlStream): void {
    this.#streams.delete(stream);
    if (stream === this.#mapStream) this.#mapStream = undefined;
    if (stream !== this.#leading) return;
    this.#leading = undefined;
    for (const resolve of this.#onDisconnected.splice(0)) resolve();
    this.#settings.logger.info({ reason: "ConnectionBroken" }, "control plane disconnected");
    for (const id of this.#pending.keys()) {
      this.#take(id)?.reject(new Problem("outcomeUnknown", "the control plane went away before it answered"));
    }
  }

  #take(id: number): PendingCollection | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    clearTimeout(pending?.timer);
    return pending;
  }
}

function parseOutcome(answer: CollectionAnswer): CollectionOutcome {
  const result = COLLECTION_RESULTS.find((one) => one === answer.result);
  if (result === undefined) throw new Error(`result ${JSON.stringify(answer.result)}`);
  const spec: unknown = answer.specJson.length === 0 ? undefined : JSON.parse(utf8.decode(answer.specJson));
  return { result, spec };
}
