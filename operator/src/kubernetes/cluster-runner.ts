/**
 * One PrismCluster, led by this process: what surrounds its control plane in Kubernetes, and how changes of the
 * object reach it. A specification that can't be followed changes nothing: the last accepted one goes on.
 */
import { randomUUID } from "node:crypto";
import { API_VERSION } from "@prism/api/api-object";
import { parseClusterObject, withZones, type ClusterObject, type ClusterSpec } from "@prism/api/cluster";
import type { ClusterObjectStatus } from "@prism/api/cluster-status";
import { podName } from "@prism/api/object-names";
import { Problem } from "@prism/api/problem-code";
import type { Reason } from "@prism/api/reason";
import type { StatusResponse } from "@prism/api/status";
import type { ApiClient } from "@prism/kube-machinery/api-client";
import type { EventRecorder } from "@prism/kube-machinery/event-recorder";
import type { Stored } from "@prism/kube-machinery/kube-object";
import type { Logger } from "pino";
import { GrpcNodeDialer } from "../adapters/grpc/grpc-node-dialer.js";
import { ClusterStatusWriter } from "../adapters/kubernetes/cluster-status-writer.js";
import { KeptCertificates } from "../adapters/kubernetes/kept-certificates.js";
import type { ChildWatches } from "../adapters/kubernetes/child-watches.js";
import { CollectionKeeper } from "../adapters/kubernetes/collection-keeper.js";
import { KubeStore } from "../adapters/kubernetes/kube-store.js";
import { KubernetesWorkloads } from "../adapters/kubernetes/kubernetes-workloads.js";
import { PRISM_CLUSTERS, type RawObject } from "../adapters/kubernetes/prism-resources.js";
import type { RecordWatches } from "../adapters/kubernetes/record-watches.js";
import { ControlPlane } from "../control/control-plane.js";
import type { ClusterEvent } from "../control/event-log.js";
import { steadyNowMs } from "../control/steady-clock.js";
import { changeRefusal } from "../domain/cluster-change.js";
import { buildClusterObjectStatus } from "../domain/cluster-object-status.js";
import { CONDITION_TYPES, type Condition } from "../domain/condition.js";
import type { ZoneSettings } from "../domain/node-place.js";
import { settleTopology, type TopologyWish } from "../domain/zone-discovery.js";
import type { ClusterRef, ClusterWorkloads, ClusterWorkloadsHandlers } from "../ports/cluster-workloads.js";
import type { NodeDialer } from "../ports/node-dialer.js";
import type { ApiObject } from "../ports/store.js";
import { selectorLabels } from "../resources/owned-object.js";
import { EventTeller } from "./event-teller.js";
import { FoundationKeeper } from "./foundation-keeper.js";

export interface ClusterRunnerOptions {
  readonly client: ApiClient;
  readonly records: RecordWatches;
  readonly children: ChildWatches;
  readonly recorder: EventRecorder;
  readonly imageRepository: string;
  readonly operatorNamespace: string;
  readonly log: Logger;
  /** Others in tests. */
  readonly home?: ClusterHome | undefined;
}

/** How nodes are run and reached. */
export interface ClusterHome {
  readonly workloads: (cluster: ClusterRef, handlers: ClusterWorkloadsHandlers) => ClusterWorkloads;
  readonly dialer: (cluster: ClusterRef) => Promise<NodeDialer>;
}

interface Running {
  readonly plane: ControlPlane;
  readonly workloads: ClusterWorkloads;
  readonly foundation: FoundationKeeper;
}

/** Why a specification is not followed. */
interface Refusal {
  readonly reason: Reason;
  readonly detail: string;
}

type Wish = { readonly spec: ClusterSpec; readonly paused: boolean } | { readonly refusal: Refusal };

/** Nothing is led until a person has done something; retrying alone does not help. */
class CannotLead extends Error {
  readonly reason: Reason;

  constructor(reason: Reason, detail: string) {
    super(detail);
    this.name = "CannotLead";
    this.reason = reason;
  }
}

export class ClusterRunner {
  readonly uid: string;
  readonly #options: ClusterRunnerOptions;
  readonly #namespace: string;
  readonly #name: string;
  readonly #log: Logger;
  readonly #store: KubeStore;
  readonly #statusWriter: ClusterStatusWriter;
  readonly #keeper: CollectionKeeper;
  readonly #events: EventTeller;
  #object: Stored<RawObject>;
  #generation = 0;
  #running: Running | undefined;
  #spec: ClusterSpec | undefined;
  #lastStatus: StatusResponse | undefined;
  #lastWritten: ClusterObjectStatus | undefined;
  #leaderEpoch = 0;
  #certificates: KeptCertificates | undefined;

  constructor(options: ClusterRunnerOptions, object: Stored<RawObject>) {
    const { client, records, recorder } = options;
    const { namespace = "", name, uid } = object.metadata;
    this.uid = uid;
    this.#options = options;
    this.#namespace = namespace;
    this.#name = name;
    this.#object = object;
    this.#log = options.log.child({ namespace, cluster: name });
    const caches = records.cachesOf(namespace);
    this.#store = new KubeStore({
      client,
      caches,
      namespace,
      cluster: name,
      onError: (err) => this.#log.warn({ err }, "versions of records not on record, will be tried again"),
    });
    this.#events = new EventTeller({ recorder, store: this.#store, cluster: () => this.#object });
    this.#statusWriter = new ClusterStatusWriter({
      client,
      namespace,
      name,
      uid,
      onError: (err) => this.#log.warn({ err }, "status not written, will be tried again"),
    });
    this.#keeper = new CollectionKeeper({
      client,
      cache: caches.PrismCollection,
      namespace,
      cluster: name,
      defaults: () => this.#defaults(),
      outlook: (collection) =>
        this.#lastStatus && this.#running?.plane.collectionOutlook(collection, this.#lastStatus),
      onEvent: (regarding, reason, message) => this.#events.tellOf(regarding, reason, message),
      onError: (err) => this.#log.warn({ err }, "collections not judged, will be tried again"),
    });
  }

  get plane(): ControlPlane | undefined {
    return this.#running?.plane;
  }

  /** Follows the object as it is now. Throws what is to be tried again. */
  async reconcile(object: Stored<RawObject>): Promise<void> {
    this.#object = object;
    const generation = object.metadata.generation ?? 1;
    if (this.#running && generation === this.#generation) return;
    try {
      if (this.#running) await this.#update(this.#running, generation);
      else await this.#start(generation);
      this.#generation = generation;
    } catch (error) {
      const reason = error instanceof CannotLead ? error.reason : "StartFailed";
      const detail = error instanceof Error ? error.message : String(error);
      if (this.#running) throw error;
      this.#sayNotLed({ reason, detail }, generation);
      throw error;
    }
  }

  async stop(): Promise<void> {
    await Promise.all([this.#keeper.stop(), this.#running?.foundation.stop()]);
    await this.#running?.plane.stop();
    this.#running = undefined;
    await this.#statusWriter.stop();
    await this.#store.close();
  }

  async #start(generation: number): Promise<void> {
    const identity = (await this.#store.get("PrismCluster", this.#name)) ?? (await this.#makeIdentity());
    const { clusterId } = identity.status;
    await this.#checkRecords(clusterId);
    const accepted = identity.spec as ClusterSpec;
    const wish = this.#wish(identity);
    const refusal = "refusal" in wish ? wish.refusal : undefined;
    const { spec, paused } = "refusal" in wish ? { spec: accepted, paused: this.#isPaused() } : wish;
    const ref: ClusterRef = { namespace: this.#namespace, name: this.#name, uid: this.uid, clusterId };
    const home = this.#options.home ?? this.#kubernetesHome();
    const dialer = await home.dialer(ref);
    const workloads = home.workloads(ref, {
      onEvent: (reason, about, evidence) => this.#events.tell(reason, about, evidence),
      onBlockers: () => this.#publish(),
    });
    void workloads.apply(spec, paused);
    this.#spec = spec;
    this.#leaderEpoch = identity.status.leaderEpoch + 1;
    const starting = ControlPlane.start({
      cluster: { apiVersion: API_VERSION, kind: "PrismCluster", metadata: { name: this.#name }, spec },
      store: this.#store,
      workloads,
      dialer,
      log: this.#options.log.child({ namespace: this.#namespace }),
      workersPerNode: 0,
      nodeEnv: {},
      nodeName: (zone, ordinal) => this.#nodeName(zone, ordinal),
      paused,
      generation,
      conditions: conditionsOf(this.#object),
      onEvent: (event) => this.#onEvent(event),
      onStatus: (status) => this.#onStatus(status),
    });
    const plane = await starting.catch(async (error: unknown) => {
      await workloads.close();
      throw error;
    });
    const foundation = this.#keepFoundation(ref);
    this.#running = { plane, workloads, foundation };
    this.#events.tell("LeadTaken", `cluster/${this.#name}`, { leaderEpoch: this.#leaderEpoch });
    if (refusal) plane.refuseSpec(refusal.reason, refusal.detail, generation);
    this.#keeper.start();
    this.#publish();
  }

  #keepFoundation(cluster: ClusterRef): FoundationKeeper {
    const { client, children } = this.#options;
    const keeper = new FoundationKeeper({
      cluster,
      children,
      store: this.#store,
      certificates: async () => (await this.#certificates?.look()) ?? [],
      isLed: async () => (await client.get(PRISM_CLUSTERS, cluster))?.metadata.uid === this.uid,
      onRestored: (object, why) => this.#events.tell("WorkloadRestored", object, { object, why }),
      onError: (err) => this.#log.warn({ err }, "identity or certificates not as they should be"),
    });
    keeper.start();
    return keeper;
  }

  async #update({ plane, workloads, foundation }: Running, generation: number): Promise<void> {
    await foundation.lookAtIdentity();
    const identity = await this.#store.get("PrismCluster", this.#name);
    if (!identity) throw new CannotLead("StartFailed", "what identifies the cluster's data is gone");
    const wish = this.#wish(identity);
    if ("refusal" in wish) {
      plane.refuseSpec(wish.refusal.reason, wish.refusal.detail, generation);
      return;
    }
    const { spec, paused } = wish;
    this.#spec = spec;
    await plane.updateCluster(spec, paused, generation);
    void workloads.apply(spec, paused);
    this.#keeper.changed();
  }

  /** What the object asks for now, held against what was accepted last. */
  #wish(identity: ApiObject<"PrismCluster">): Wish {
    const accepted = identity.spec as ClusterSpec;
    let object: ClusterObject;
    try {
      object = parseClusterObject(this.#object);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return { refusal: { reason: "SpecInvalid", detail: detailOf(error) } };
    }
    const { zones } = accepted.topology;
    // Machines without labels decided the domain as well as the zones, once.
    const { domain } = zones.length === 0 ? accepted.topology : object.spec.topology;
    const spec = withZones(object.spec, { domain, zones });
    const detail =
      changeRefusal(accepted, spec, (zone, ordinal) => this.#nodeName(zone, ordinal)) ??
      versionRefusal(accepted, spec);
    if (detail !== undefined) return { refusal: { reason: "ChangeRefused", detail } };
    return { spec, paused: object.spec.paused };
  }

  /**
   * The first time: zones are found now and kept. Data that is there already, whose identity was lost, is
   * recognised by its records and by what the object last stated of itself.
   */
  async #makeIdentity(): Promise<ApiObject<"PrismCluster">> {
    let object: ClusterObject;
    try {
      object = parseClusterObject(this.#object);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      throw new CannotLead("SpecInvalid", detailOf(error));
    }
    const { topology, pod } = object.spec;
    const wish = {
      ...topology,
      nodeSelector: pod.nodeSelector,
      tolerations: pod.tolerations,
    } as TopologyWish;
    const found = settleTopology(wish, this.#options.children.machines());
    const spec = withZones(object.spec, found);
    const { items } = await this.#store.list("PrismShard");
    const [recorded, ...others] = new Set(items.map((shard) => shard.spec.clusterId));
    if (others.length > 0) {
      throw new CannotLead("ForeignData", `records of several clusters have this name: ${others.join(", ")}`);
    }
    if (spec.topology.zones.length === 0) {
      const { domain } = spec.topology;
      this.#events.tell("NoZoneLabels", `cluster/${this.#name}`, { label: topology.labelKey, domain });
    }
    const { clusterId, leaderEpoch = 0 } = object.status ?? {};
    return this.#store.create({
      kind: "PrismCluster",
      name: this.#name,
      spec,
      status: {
        clusterId: recorded ?? clusterId ?? randomUUID(),
        // Nodes follow the highest epoch they have seen, and there may be nodes that have seen some.
        leaderEpoch: Math.max(leaderEpoch, Math.floor(steadyNowMs() / MS_PER_HOUR)),
        observedGeneration: 1,
        conditions: [],
        deletedCollections: [],
      },
    });
  }

  async #checkRecords(clusterId: string): Promise<void> {
    const { items } = await this.#store.list("PrismShard");
    const foreign = items.find((shard) => shard.spec.clusterId !== clusterId && shard.spec.clusterId !== "?");
    if (!foreign) return;
    const detail =
      `PrismShard ${foreign.metadata.name} belongs to the data ${foreign.spec.clusterId}, ` +
      `not to ${clusterId}: delete the records, or the ConfigMap that identifies the data, whichever is wrong`;
    throw new CannotLead("ForeignData", detail);
  }

  #kubernetesHome(): ClusterHome {
    const { client, children, imageRepository, operatorNamespace } = this.#options;
    const { log } = this.#options;
    return {
      workloads: (cluster, handlers) =>
        new KubernetesWorkloads({
          cluster,
          api: client,
          watches: children,
          imageRepository,
          operatorNamespace,
          handlers,
          log,
        }),
      dialer: async (cluster) => {
        const certificates = await KeptCertificates.open(client, cluster);
        const { made, credentials } = certificates;
        if (made.length > 0) this.#log.info({ made }, "certificates made");
        this.#certificates = certificates;
        return new GrpcNodeDialer(credentials);
      },
    };
  }

  #nodeName(zone: ZoneSettings, ordinal: number): string {
    return podName(this.#name, zone.name, ordinal);
  }

  #isPaused(): boolean {
    return this.#object.spec?.["paused"] === true;
  }

  /** What collections that say nothing of it get. */
  #defaults(): Pick<ClusterSpec, "replication"> {
    if (!this.#spec) throw new Error("collections are judged by a cluster that is not led");
    return this.#spec;
  }

  #onEvent({ reason, about, evidence }: ClusterEvent): void {
    this.#events.tell(reason, about, evidence);
  }

  #onStatus(status: StatusResponse): void {
    this.#lastStatus = status;
    this.#running?.workloads.statusChanged(status);
    this.#keeper.changed();
    this.#publish();
  }

  #publish(): void {
    const { plane, workloads } = this.#running ?? {};
    const status = this.#lastStatus;
    if (!plane || !workloads || !status || !this.#spec) return;
    this.#lastWritten = buildClusterObjectStatus({
      status,
      conditions: plane.conditions(),
      generation: this.#object.metadata.generation ?? 1,
      leaderEpoch: this.#leaderEpoch,
      spec: this.#spec,
      pods: workloads.list().filter(({ state }) => state !== "stopped").length,
      selector: selectorOf(this.#name),
      blockers: workloads.blockers(),
      operation: this.#lastWritten?.operation,
    });
    this.#statusWriter.set(this.#lastWritten);
  }

  /** Without a control plane the rest of the status stays as it was last known. */
  #sayNotLed({ reason, detail }: Refusal, generation: number): void {
    const before = conditionsOf(this.#object);
    const conditions = CONDITION_TYPES.map((type): Condition => {
      const status = type === "Stalled" ? "True" : type === "Progressing" ? "False" : "Unknown";
      const old = before.find((condition) => condition.type === type);
      const lastTransitionTime =
        old?.status === status ? old.lastTransitionTime : new Date(steadyNowMs()).toISOString();
      return { type, status, reason, message: detail, observedGeneration: generation, lastTransitionTime };
    });
    const stalled = before.find((condition) => condition.type === "Stalled");
    if (stalled?.message !== detail) this.#events.tell(reason, `cluster/${this.#name}`, { detail });
    const known = this.#object.status as Partial<ClusterObjectStatus> | undefined;
    const status = { deletedCollections: [], ...known, observedGeneration: generation, conditions };
    this.#statusWriter.set(status);
  }
}

const MS_PER_HOUR = 3_600_000;

/** Nodes of two versions at once are rolled one by one, which is not built. */
function versionRefusal(accepted: ClusterSpec, wanted: ClusterSpec): string | undefined {
  if (accepted.version === wanted.version) return undefined;
  return `spec.version is ${accepted.version} and can't become ${wanted.version} yet; set it back`;
}

function conditionsOf(object: Stored<RawObject>): readonly Condition[] {
  return (object.status?.["conditions"] ?? []) as readonly Condition[];
}

function selectorOf(cluster: string): string {
  return Object.entries(selectorLabels(cluster))
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}

function detailOf(problem: Problem): string {
  const details = problem.violations.map(({ pointer, detail }) => {
    return `${pointer.slice(1).replaceAll("/", ".")}: ${detail}`;
  });
  return details.length === 0 ? problem.detail : details.join("; ");
}
