/**
 * The control plane of one cluster: follows the objects and the nodes, reconciles what changed, and
 * sends maps and status down. Triggered by events; nothing here waits for a timer to notice a failure.
 */
import { isDeepStrictEqual } from "node:util";
import { DEFAULT_LIMITS } from "@prism/api/limits";
import type { ClusterSettings } from "@prism/api/cluster";
import { REASONS, type Reason } from "@prism/api/reason";
import type { StatusResponse } from "@prism/api/status";
import { WorkQueue } from "@prism/kube-machinery/work-queue";
import type { CollectionRequest, ControlFrame, CopyRequest, MapApplied } from "@prism/proto/gen/node";
import type { Logger } from "pino";
import type { Action, Evidence } from "../domain/action.js";
import type { Condition } from "../domain/condition.js";
import { localNodeName } from "../domain/node-place.js";
import type { NodeId } from "../domain/shard-record.js";
import type { StartingNode } from "../domain/start-verdict.js";
import { buildStatus } from "../domain/status.js";
import type { ApiObject, Store } from "../ports/store.js";
import type { NodeWorkload, WorkloadEvent } from "../ports/workloads.js";
import { CollectionReconciler } from "../reconcile/collection-reconciler.js";
import { shardUidOf } from "../reconcile/shard-object.js";
import { RecordRebuilder, type RecordRebuilderOptions } from "../reconcile/record-rebuilder.js";
import { ShardReconciler } from "../reconcile/shard-reconciler.js";
import type { ControlPlaneOptions } from "./control-plane-options.js";
import { ClusterConditions } from "./cluster-conditions.js";
import { ClusterNotices } from "./cluster-notices.js";
import { ClusterState } from "./cluster-state.js";
import { ensureNodes, storeSettings, takeLead } from "./cluster-bootstrap.js";
import { collectionOutlook, type CollectionOutlook } from "./collection-outlook.js";
import { CollectionRequests, isGone } from "./collection-requests.js";
import { DataLossRequests } from "./data-loss-requests.js";
import { DeletedCollections } from "./deleted-collections.js";
import { GivenUpHistories } from "./given-up-histories.js";
import { ConditionWaiter } from "./condition-waiter.js";
import { isGranted, toShardRequest } from "./copy-request.js";
import { EventLog } from "./event-log.js";
import { MapPublisher } from "./map-publisher.js";
import type { ConnectionIdentity } from "./node-connection.js";
import { NodeEvents } from "./node-events.js";
import { NodeFleet } from "./node-fleet.js";
import { RecordEvents } from "./record-events.js";
import { OperatorMetrics } from "./operator-metrics.js";
import { ShardOutlook } from "./shard-outlook.js";
import { StatusPublisher } from "./status-publisher.js";
import { observeStatus, startingNodes } from "./status-source.js";
import { steadyNowMs } from "./steady-clock.js";

const CONFIRMED_DEBOUNCE_MS = 5;
const SHARD = "shard/";
const COLLECTION = "collection/";
const CONDITIONS = "conditions";

export class ControlPlane {
  readonly events = new EventLog();
  readonly metrics: OperatorMetrics;
  readonly #options: ControlPlaneOptions;
  readonly #log: Logger;
  readonly #queue: WorkQueue;
  readonly #state: ClusterState;
  readonly #fleet: NodeFleet;
  readonly #nodes: NodeEvents;
  readonly #records: RecordEvents;
  readonly #maps: MapPublisher;
  readonly #shards: ShardReconciler;
  readonly #collections: CollectionReconciler;
  readonly #requests: CollectionRequests;
  readonly #clusterId: string;
  readonly #outlook = new ShardOutlook();
  readonly #waiter = new ConditionWaiter();
  readonly #conditions: ClusterConditions;
  readonly #deleted: DeletedCollections;
  readonly #notices = new ClusterNotices();
  readonly #statuses: StatusPublisher;
  #confirmedTimer: NodeJS.Timeout | undefined;
  #stopWatch: () => void = () => undefined;

  /** Takes the lead of the cluster and starts its nodes. @throws {ClusterConflict} */
  static async start(options: ControlPlaneOptions): Promise<ControlPlane> {
    const cluster = await takeLead(options.store, options.cluster, options.nodeName);
    const names = await ensureNodes(options.store, options.cluster.spec, options.nodeName);
    const plane = new ControlPlane(options, cluster);
    try {
      await plane.#start(names);
    } catch (error) {
      await plane.stop();
      throw error;
    }
    return plane;
  }

  private constructor(options: ControlPlaneOptions, object: ApiObject<"PrismCluster">) {
    const { cluster, store, log } = options;
    const { clusterId, leaderEpoch } = object.status;
    this.#conditions = new ClusterConditions(store, object, options.conditions);
    if (options.generation !== undefined) this.#conditions.adopt(options.generation);
    const clusterName = cluster.metadata.name;
    this.#options = options;
    this.#notices.adopted(options.paused === true);
    this.#log = log.child({ cluster: clusterName, leaderEpoch });
    this.#clusterId = clusterId;
    this.#queue = new WorkQueue({
      work: (key) => this.#work(key),
      onError: (key, error) => this.#onWorkError(key, error),
    });
    this.metrics = new OperatorMetrics(() => this.#queue.depth);
    this.#records = new RecordEvents({
      outlook: this.#outlook,
      metrics: this.metrics,
      event: (reason, about, evidence) => this.#event(reason, about, evidence),
      statusSoon: () => this.#statusSoon(),
    });
    this.#deleted = new DeletedCollections(store, object);
    this.#state = new ClusterState(store, cluster.spec, options.paused ?? false, {
      onCollection: (change) => {
        this.#changed();
        if (change.type === "deleted") void this.#onCollectionDeleted(change.object.metadata);
        else this.#queue.add(COLLECTION + change.object.metadata.name);
      },
      onShard: (change) => {
        this.#changed();
        if (change.type === "put") this.#onShardPut(change.object.metadata.name);
        else this.#forgetShard(change.object);
      },
      onNode: ({ object }) => this.#nodes.onPut(object.metadata.name, object.status.nodeId),
    });
    const identity = { clusterId, clusterName, leaderEpoch };
    this.#fleet = this.#makeFleet(identity);
    this.#maps = new MapPublisher({
      ...identity,
      state: this.#state,
      fleet: this.#fleet,
      deleted: this.#deleted,
    });
    const observeNodes = (): ReturnType<ClusterState["observeNodes"]> =>
      this.#state.observeNodes(this.#fleet, () => this.#maps.revision);
    const parts = { store, state: this.#state, log: this.#log, observeNodes };
    const givenUp = new GivenUpHistories(store, object);
    const shared = { ...parts, rebuilder: this.#makeRebuilder({ ...parts, ...identity }, givenUp) };
    this.#shards = new ShardReconciler({
      ...shared,
      fleet: this.#fleet,
      giveUp: (shardUid, historyId) => givenUp.record(shardUid, historyId, steadyNowMs()),
      onChanged: (shard, before, after, action) => this.#records.onChanged(shard, before, after, action),
      onRefused: (action, uid) => this.#onRequestRefused(action, uid),
      onVerdict: (shard, verdict) => this.#records.onVerdict(shard, verdict),
    });
    this.#collections = new CollectionReconciler({
      ...shared,
      clusterName,
      clusterId,
      wasDeleted: (uid) => this.#deleted.has(uid),
      onRecordLost: (shard) => this.#records.onLost(shard),
      onCreated: (name, shards) => this.#event("ShardCreated", `collection/${name}`, { shards }),
      onDeleted: (name, shards) => this.#event("CollectionDeleted", `collection/${name}`, { shards }),
    });
    this.#statuses = this.#makeStatuses();
    this.#requests = this.#makeRequests(store, clusterName);
    this.#nodes = this.#makeNodeEvents(store);
  }

  get clusterId(): string {
    return this.#clusterId;
  }

  status(): StatusResponse {
    return buildStatus(
      observeStatus({
        clusterName: this.#options.cluster.metadata.name,
        clusterId: this.#clusterId,
        revision: this.#maps.revision,
        state: this.#state,
        fleet: this.#fleet,
        workloads: this.#options.workloads,
        waits: this.#outlook.waits,
        lostRecords: this.#outlook.lostRecords,
        notices: this.#notices.list(),
      }),
    );
  }

  conditions(): readonly Condition[] {
    return this.#conditions.list;
  }

  /**
   * Goes by these settings from now on, without a restart of anything that works.
   * @throws {ClusterConflict} when the cluster can't become this; nothing is changed then.
   */
  async updateCluster(settings: ClusterSettings, paused: boolean, generation?: number): Promise<void> {
    const { store, cluster, nodeName = localNodeName, workloads } = this.#options;
    const clusterName = cluster.metadata.name;
    const object = await storeSettings(store, clusterName, settings, nodeName);
    const healthChanged = !isDeepStrictEqual(settings.health, this.#state.settings.health);
    this.#state.adopt(settings, paused);
    this.#notices.adopted(paused);
    this.#conditions.adopt(generation ?? object.metadata.generation);
    if (healthChanged) this.#fleet.adopt(settings.health);
    const names = await ensureNodes(store, settings, nodeName);
    const added = names.filter((name) => this.#fleet.get(name) === undefined);
    for (const name of added) this.#fleet.expect(name, this.#isNew(name));
    if (added.length > 0) {
      this.#event("NodesAdded", `cluster/${clusterName}`, { nodes: added });
      if (this.#state.shards.size > 0)
        this.#event("ExistingShardsDoNotMove", `cluster/${clusterName}`, { nodes: added });
    }
    await Promise.all(names.map((name) => workloads.ensure(this.#workload(name))));
    for (const shard of this.#state.shards.values()) this.#queue.add(SHARD + shard.metadata.name);
    for (const { metadata } of this.#state.collections.values()) this.#queue.add(COLLECTION + metadata.name);
    this.#changed();
  }

  /** A specification of this generation was not taken: status and conditions say so until the next one is. */
  refuseSpec(reason: Reason, detail: string, generation: number): void {
    if (this.#notices.refused(reason, detail)) this.#event(reason, `cluster/${this.#name}`, { detail });
    this.#conditions.adopt(generation);
    this.#statusSoon();
  }

  get #name(): string {
    return this.#options.cluster.metadata.name;
  }

  /** Every node that is wanted is alive and ready. */
  isReady(): boolean {
    return this.startingNodes().every((node) => node.ready);
  }

  startingNodes(): readonly StartingNode[] {
    return startingNodes(this.#fleet, this.#options.workloads);
  }

  /** Whether the collection takes writes and enough nodes know it, as of `status`. */
  collectionOutlook(name: string, status: StatusResponse): CollectionOutlook | undefined {
    return collectionOutlook({ name, status, state: this.#state, maps: this.#maps });
  }

  /** Resolves true when the condition holds, false when the time is over; looks after every change. */
  waitFor(condition: () => boolean, timeoutMs: number): Promise<boolean> {
    return this.#waiter.wait(condition, timeoutMs);
  }

  /** Ends nodes and streams. The store is the caller's to close. */
  async stop(): Promise<void> {
    this.#statuses.stop();
    clearTimeout(this.#confirmedTimer);
    this.#stopWatch();
    this.#maps.stop();
    // Before what is under way ends: whoever leads next is to be heard at once. And without a control plane
    // nodes do not try to hand primaries over: where all of them end, there is nobody to take them.
    this.#fleet.stop();
    await this.#queue.stop();
    await this.#options.workloads.close();
    this.#state.stop();
    this.#waiter.close();
  }

  #makeRebuilder(
    parts: Pick<RecordRebuilderOptions, "store" | "state" | "log" | keyof ConnectionIdentity>,
    givenUp: GivenUpHistories,
  ): RecordRebuilder {
    return new RecordRebuilder({
      ...parts,
      fleet: this.#fleet,
      mapRevision: () => this.#maps.revision,
      givenUp: (shardUid) => givenUp.of(shardUid),
      onRebuilt: (shard, from, record) => this.#records.onRebuilt(shard, from, record),
      onRefused: (shard, missing) => this.#records.onRebuildRefused(shard, missing),
    });
  }

  #makeFleet(identity: ConnectionIdentity): NodeFleet {
    const { dialer, cluster } = this.#options;
    return new NodeFleet(dialer, identity, cluster.spec.health, {
      onHello: (name, hello) => void this.#nodes.onHello(name, hello),
      onHealth: (change, detail) => this.#nodes.onHealth(change, detail),
      onCopies: (name, uids) => this.#nodes.onCopies(name, uids),
      onDraining: (name) => this.#nodes.onDraining(name),
      onReadiness: () => this.#nodes.onReadiness(),
      onDiskFull: (name) => this.#nodes.onDiskFull(name),
      onFrame: (name, frame) => this.#onFrame(name, frame),
      onRefused: (name, detail) => this.#nodes.onRefused(name, detail),
    });
  }

  #makeStatuses(): StatusPublisher {
    return new StatusPublisher({
      build: () => this.status(),
      fleet: this.#fleet,
      onStatus: (status) => this.#onStatus(status),
    });
  }

  #makeNodeEvents(store: Store): NodeEvents {
    return new NodeEvents({
      store,
      state: this.#state,
      fleet: this.#fleet,
      maps: this.#maps,
      outlook: this.#outlook,
      log: this.#log,
      route: (name, address) => this.#routed(name, address),
      enqueue: (shard, isUrgent) => {
        if (isUrgent) this.#queue.addFirst(SHARD + shard);
        else this.#queue.add(SHARD + shard);
      },
      event: (reason, about, evidence) => this.#event(reason, about, evidence),
      changed: () => this.#changed(),
      statusSoon: () => this.#statusSoon(),
      onFailedOver: (durationMs) => this.metrics.recordFailover(durationMs / 1000),
    });
  }

  #makeRequests(store: Store, clusterName: string): CollectionRequests {
    return new CollectionRequests({
      store,
      state: this.#state,
      deleted: this.#deleted,
      clusterName,
      dataLoss: new DataLossRequests({ state: this.#state, fleet: this.#fleet, shards: this.#shards }),
      maxCollections: DEFAULT_LIMITS.collections,
      whenUsable: (name, timeoutMs) =>
        this.#waiter.wait(
          () => this.collectionOutlook(name, this.#statuses.recent())?.ready ?? true,
          timeoutMs,
        ),
      whenGone: (name, timeoutMs) => this.#waiter.wait(() => isGone(this.#state, name), timeoutMs),
    });
  }

  async #start(names: readonly string[]): Promise<void> {
    const { workloads, cluster } = this.#options;
    await this.#state.start();
    for (const name of names) this.#fleet.expect(name, this.#isNew(name));
    this.#fleet.start();
    this.#stopWatch = workloads.watch((event) => this.#onWorkload(event));
    const clusterName = cluster.metadata.name;
    const joining = names.filter((name) => this.#state.nodes.get(name)?.status.nodeId === "");
    if (joining.length > 0 && this.#state.shards.size > 0) {
      this.#event("ExistingShardsDoNotMove", `cluster/${clusterName}`, { nodes: joining });
    }
    await Promise.all(names.map((name) => workloads.ensure(this.#workload(name))));
    // Records whose collection is gone have no event of their own to be found by.
    for (const shard of this.#state.shards.values()) this.#queue.add(COLLECTION + shard.spec.collection);
    // Not before everything is read: a record that is not there yet would pass for a lost one.
    this.#queue.start();
    this.#statuses.start();
    this.#log.info({ nodes: names.length, clusterId: this.#clusterId }, "leading");
  }

  /** It has never been up. */
  #isNew(name: string): boolean {
    return (this.#state.nodes.get(name)?.status.nodeId ?? "") === "";
  }

  #workload(name: string): NodeWorkload {
    const { cluster, workersPerNode, nodeEnv } = this.#options;
    return { name, clusterName: cluster.metadata.name, workers: workersPerNode, env: nodeEnv };
  }

  async #work(key: string): Promise<{ readonly againInMs: number | undefined }> {
    if (key === CONDITIONS) return this.#conditions.write();
    const begun = process.hrtime.bigint();
    const kind = key.startsWith(SHARD) ? "shard" : "collection";
    try {
      return kind === "shard"
        ? await this.#shards.reconcile(key.slice(SHARD.length))
        : await this.#collections.reconcile(key.slice(COLLECTION.length));
    } finally {
      this.metrics.recordReconcile(kind, Number(process.hrtime.bigint() - begun) / 1e9);
    }
  }

  #onWorkError(key: string, error: unknown): void {
    this.metrics.recordError(key.startsWith(SHARD) ? "shard" : "collection");
    this.#log.error({ key, err: error }, "reconcile failed, will be tried again");
  }

  /** Something that the map or the status shows has changed. */
  #changed(): void {
    this.#maps.changed();
    this.#statusSoon();
  }

  #onWorkload(event: WorkloadEvent): void {
    switch (event.kind) {
      case "listening":
        this.#fleet.dial(event.name, this.#routed(event.name, event.peerAddress));
        return;
      case "exited": {
        const { name, code, signal, detail, expected } = event;
        const how = signal === null ? `exit code ${code ?? "unknown"}` : `signal ${signal}`;
        this.#log.warn(
          { node: name, reason: "WorkloadExited", code, signal, detail, expected },
          "node process ended",
        );
        this.#fleet.exited(name, how);
        this.#statusSoon();
      }
    }
  }

  #routed(name: string, address: string): string {
    return this.#options.routePeerAddress?.(name, address) ?? address;
  }

  #onFrame(name: string, frame: ControlFrame): void {
    if (frame.copyRequest) this.#onCopyRequest(name, frame.copyRequest);
    else if (frame.collectionRequest) void this.#onCollectionRequest(name, frame.id, frame.collectionRequest);
    else if (frame.mapApplied) this.#onMapApplied(name, frame.mapApplied);
    // A node that leaves says so in its reports as well as in a drain frame.
  }

  #onMapApplied(name: string, confirmation: MapApplied): void {
    this.#maps.confirmed(name, confirmation);
    this.#fleet.onMapApplied(name, confirmation.revision);
    // Every node answers every map: who waits looks once for all answers that come together.
    this.#confirmedTimer ??= setTimeout(() => {
      this.#confirmedTimer = undefined;
      this.#statusSoon();
    }, CONFIRMED_DEBOUNCE_MS);
  }

  #onCopyRequest(name: string, copyRequest: CopyRequest): void {
    const from = this.#state.nodes.get(name)?.status.nodeId as NodeId | undefined;
    const shard = this.#state.index.nameOf(copyRequest.shardUid);
    const request = from === undefined ? undefined : toShardRequest(copyRequest, from);
    if (shard === undefined || !request) {
      this.#log.warn({ node: name, ...copyRequest }, "request for an unknown shard or action");
      return;
    }
    const record = this.#state.shards.get(shard)?.status;
    if (record && isGranted(request, record)) {
      // The map that says so is on its way, or is sent now.
      this.#maps.sendTo(name);
      return;
    }
    this.#shards.addRequest(copyRequest.shardUid, this.#nodes.judged(shard, request));
    this.#queue.add(SHARD + shard);
  }

  #onRequestRefused(action: Extract<Action, { kind: "refuseRequest" }>, shardUid: string): void {
    const { request, refusal, shard } = action;
    const node = [...this.#fleet.all()].find((one) => one.hello?.nodeId === request.from);
    this.#log.info(
      { shard, request: request.action, copy: request.id, term: request.term, refusal },
      "request refused",
    );
    node?.connection.send({ copyAnswer: { shardUid, allocationId: request.id, refusal } });
    // What it asks for may be so already, and the map that says it has not been sent yet.
    if (node) this.#maps.sendTo(node.name);
  }

  async #onCollectionRequest(name: string, id: number, request: CollectionRequest): Promise<void> {
    const { action, name: collection } = request;
    const answer = await this.#requests.answer(request);
    await this.#maps.whenSent(name);
    const outcome = answer.error?.code ?? answer.result;
    this.#log.info({ node: name, collection, action, outcome }, "collection request answered");
    this.#fleet.get(name)?.connection.send({ id, collectionAnswer: answer });
  }

  #onShardPut(shard: string): void {
    this.#outlook.recordFound(shard);
    this.#queue.add(SHARD + shard);
  }

  #forgetShard(shard: ApiObject<"PrismShard">): void {
    const { metadata, spec } = shard;
    this.#outlook.forget(metadata.name);
    this.#shards.forget(shardUidOf(shard));
    // While its collection is there, a record that goes is lost.
    this.#queue.add(COLLECTION + spec.collection);
  }

  /** Somebody deleted the object; what its nodes hold may go once that is on record. */
  async #onCollectionDeleted({ name, uid }: { readonly name: string; readonly uid: string }): Promise<void> {
    try {
      await this.#deleted.record(uid, steadyNowMs());
      this.#changed();
    } catch (error) {
      this.#log.error({ collection: name, err: error }, "the deletion is not on record: its data is kept");
    }
    this.#queue.add(COLLECTION + name);
  }

  #event(reason: Reason, about: string, evidence: Evidence): void {
    const message = REASONS[reason];
    this.#log.info({ reason, about, ...evidence }, message);
    const event = { at: steadyNowMs(), reason, about, message, evidence };
    this.events.add(event);
    this.#options.onEvent?.(event);
  }

  #statusSoon(): void {
    this.#waiter.changed();
    this.#statuses.soon();
  }

  #onStatus(status: StatusResponse): void {
    const differ = this.#conditions.take(status);
    if (differ && this.#options.conditions === undefined) this.#queue.add(CONDITIONS);
    this.#options.onStatus?.(status, this.#conditions.list);
    this.metrics.recordStatus(status);
    this.#waiter.changed();
  }
}
