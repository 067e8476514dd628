/**
 * What is to be done so that a cluster's objects are as its specification asks: pure, from one look at them.
 *
 * A pod that ends for any reason comes back with its StatefulSet's template. So a new template goes to one zone at a
 * time, and to the next one only when every pod before it runs it and everything is in sync. A zone whose own pods
 * are the trouble does not wait for that: the new template may be what helps them.
 */
import type { ClusterSpec, ClusterZone } from "@prism/api/cluster";
import type { Reason } from "@prism/api/reason";
import { clusterObjectNames, statefulSetName } from "@prism/api/object-names";
import { NO_ZONE, nodePlaces } from "../domain/node-place.js";
import { NEXT_STEP } from "../domain/status-text.js";
import { buildDisruptionBudget } from "../resources/disruption-budget.js";
import { buildNetworkPolicy } from "../resources/network-policy.js";
import { nodeSettingsFile } from "../resources/node-settings.js";
import {
  CLUSTER_LABEL,
  TEMPLATE_HASH,
  type ClusterOwner,
  type OwnedObject,
} from "../resources/owned-object.js";
import { buildPodTemplate, SETTINGS_KEY, type PodTemplate } from "../resources/pod-template.js";
import { buildClientService, buildNodesService } from "../resources/services.js";
import { buildSettingsMap } from "../resources/settings-map.js";
import { buildStatefulSet } from "../resources/stateful-set.js";
import { foreignFields, withoutFields } from "./foreign-fields.js";
import { firstDifference } from "./own-fields.js";
import {
  objectName,
  type LiveObject,
  type WorkloadAction,
  type WorkloadActionKind,
} from "./workload-action.js";

/** What the plan needs to know of a pod of the cluster. */
export interface PodFacts {
  readonly name: string;
  readonly templateHash: string;
  readonly settingsKey: string;
  readonly ready: boolean;
}

export interface WorkloadObservation {
  readonly owner: ClusterOwner;
  readonly spec: ClusterSpec;
  /** Nothing that is there is changed; what is missing is still made. */
  readonly paused: boolean;
  readonly imageRepository: string;
  readonly operatorNamespace: string;
  readonly children: readonly LiveObject[];
  readonly pods: readonly PodFacts[];
  /** Nodes that the control plane counts on; their pods are never taken away. */
  readonly knownNodes: ReadonlySet<string>;
  /** How many pods may be away. */
  readonly maxUnavailable: 0 | 1;
  /** Every shard has all its copies in sync. */
  readonly allInSync: boolean;
  /** Objects that were there before: `StatefulSet/demo-a`. */
  readonly seen: ReadonlySet<string>;
  /** By name, as they were last seen: one that is made again must not bring a newer template along. */
  readonly lastStatefulSets: ReadonlyMap<string, LiveObject>;
}

export interface PlanBlocker {
  readonly rule: Reason;
  readonly evidence: string;
  readonly unblock: string;
}

export interface WorkloadPlan {
  readonly actions: readonly WorkloadAction[];
  readonly blockers: readonly PlanBlocker[];
}

export function planWorkloads(observation: WorkloadObservation): WorkloadPlan {
  const plan = new Plan(observation);
  const { owner, operatorNamespace, maxUnavailable } = observation;
  plan.keep("applySettings", settingsMap(observation));
  plan.keep("applyNodesService", buildNodesService(owner));
  plan.keep("applyClientService", buildClientService(owner));
  plan.keep("applyNetworkPolicy", buildNetworkPolicy(owner, operatorNamespace));
  plan.keepBudget(buildDisruptionBudget(owner, maxUnavailable), maxUnavailable);
  plan.keepStatefulSets();
  return { actions: plan.actions, blockers: plan.blockers };
}

/** A zone with its nodes. */
interface ZoneSet {
  readonly zone: ClusterZone;
  readonly name: string;
  readonly replicas: number;
  /** That the specification asks for, and its hash. */
  readonly template: PodTemplate;
  readonly hash: string;
  readonly pods: readonly PodFacts[];
  readonly live: LiveObject | undefined | "none";
  /** As it was last seen, if it is gone and its pods are there: it is made again with this template. */
  readonly lastTemplate: PodTemplate | undefined;
}

function hasIt({ live, hash }: ZoneSet): boolean {
  return live !== undefined && live !== "none" && live.metadata.annotations?.[TEMPLATE_HASH] === hash;
}

function runsIt(set: ZoneSet): boolean {
  return hasIt(set) && set.pods.every((pod) => pod.templateHash === set.hash);
}

/** A pod that ends now comes back with another template than it has: no second zone may be like this. */
function isPending(set: ZoneSet): boolean {
  const hash = nextHash(set);
  return hash !== undefined && set.pods.some((pod) => pod.templateHash !== hash);
}

/** Of the template that pods come back with, once what is gone is made again. */
function nextHash({ live, lastTemplate, hash }: ZoneSet): string | undefined {
  if (live !== undefined && live !== "none") return live.metadata.annotations?.[TEMPLATE_HASH];
  if (lastTemplate !== undefined) return hashOf(lastTemplate);
  return live === undefined ? hash : undefined;
}

/** Nothing of a newer template is still to be waited for here. */
function isSettled(set: ZoneSet): boolean {
  return !isPending(set) && !(hasIt(set) && isDisturbed(set));
}

function isDisturbed({ pods }: ZoneSet): boolean {
  return pods.some((pod) => !pod.ready);
}

class Plan {
  readonly actions: WorkloadAction[] = [];
  readonly blockers: PlanBlocker[] = [];
  readonly #seen: WorkloadObservation;

  constructor(observation: WorkloadObservation) {
    this.#seen = observation;
  }

  keep(kind: WorkloadActionKind, wanted: OwnedObject): void {
    const live = this.#usable(wanted);
    if (live === "none") return;
    if (live === undefined) this.#create(kind, wanted);
    else if (!this.#seen.paused) this.#correct(kind, wanted, live);
  }

  /** Also while paused: a budget that stays open lets copies go that are needed. */
  keepBudget(wanted: OwnedObject, maxUnavailable: 0 | 1): void {
    const kind = maxUnavailable === 1 ? "openBudget" : "closeBudget";
    const live = this.#usable(wanted);
    if (live === "none") return;
    if (live === undefined) return this.#create(kind, wanted);
    const difference = firstDifference(wanted, live);
    if (difference === undefined) return;
    const reason = maxUnavailable === 1 ? "DisruptionsAllowed" : "DisruptionsHeld";
    this.#apply(kind, wanted, live, difference === "spec.maxUnavailable" ? reason : "DriftCorrected", {
      object: objectName(wanted),
      field: difference,
    });
  }

  keepStatefulSets(): void {
    const { spec, owner, imageRepository } = this.#seen;
    const zones = spec.topology.zones.length === 0 ? [NO_ZONE] : spec.topology.zones;
    const places = nodePlaces(spec, (zone, ordinal) => `${zone.name}-${ordinal}`);
    const sets = zones.flatMap((zone): ZoneSet[] => {
      const replicas = places.filter((place) => place.zone.name === zone.name).length;
      if (replicas === 0) return [];
      const name = statefulSetName(owner.name, zone.name);
      const template = buildPodTemplate({ cluster: owner.name, spec, zone, imageRepository });
      const object = buildStatefulSet({ owner, spec, zone, replicas, template });
      const pods = this.#seen.pods.filter((pod) => isPodOf(pod.name, name));
      const live = this.#usable(object);
      const isGone = live === undefined || live === "none";
      const last = isGone && pods.length > 0 ? this.#seen.lastStatefulSets.get(name) : undefined;
      const lastTemplate = last && templateOf(withoutForeignFields(last, object));
      return [{ zone, name, replicas, template, hash: hashOf(template), pods, live, lastTemplate }];
    });
    for (const set of sets) this.#dropForeignFields(this.#build(set, set.template, set.replicas));
    let earlierZonesRunIt = true;
    let changed = false;
    for (const set of sets) {
      const isAlone = !changed && sets.every((other) => other === set || isSettled(other));
      const isDue = isDisturbed(set) || isPending(set) || (earlierZonesRunIt && this.#seen.allInSync);
      if (this.#keepStatefulSet(set, isAlone && isDue)) changed = true;
      earlierZonesRunIt &&= runsIt(set);
    }
  }

  /** Before anything else is done to it: a write of ours from what is there would make them ours. */
  #dropForeignFields(wanted: OwnedObject): void {
    const { children, owner, paused } = this.#seen;
    const live = children.find((child) => objectName(child) === objectName(wanted));
    if (paused || live === undefined || live.metadata.deletionTimestamp !== undefined) return;
    const foreign = isOursToKeep(live, owner) ? foreignFields(live, wanted) : [];
    const [first] = foreign;
    if (first === undefined) return;
    this.actions.push({
      kind: "dropForeignFields",
      object: live as unknown as OwnedObject,
      precondition: { uid: live.metadata.uid },
      reason: "DriftCorrected",
      evidence: {
        object: objectName(live),
        field: foreign.map(({ path }) => path).join(", "),
        changedBy: first.manager,
      },
      drop: { live, pointers: foreign.map(({ pointer }) => pointer) },
    });
  }

  /** Whether the zone got another template. */
  #keepStatefulSet(set: ZoneSet, mayChange: boolean): boolean {
    const { paused } = this.#seen;
    const { name, live, template, hash, pods, replicas, lastTemplate } = set;
    if (live === "none") return false;
    if (live === undefined) {
      const wanted = this.#build(set, lastTemplate ?? template, this.#atLeastKnown(name, replicas));
      this.#create("createStatefulSet", wanted);
      return false;
    }
    const liveHash = live.metadata.annotations?.[TEMPLATE_HASH] ?? "";
    const older = pods.filter((pod) => pod.templateHash !== hash).map((pod) => pod.name);
    if (older.length > 0) this.#reportOlder(older, liveHash === hash);
    if (paused) return false;
    const kept = this.#replicas(live, replicas);
    if (liveHash !== hash && (pods.length === 0 || mayChange)) {
      const object = this.#keepClaims(this.#build(set, template, kept), live);
      const field = firstDifference(template.spec, templateOf(live).spec, "spec.template.spec");
      const evidence = { object: objectName(object), field: field ?? "spec.template" };
      this.#apply("changeTemplate", object, live, "WorkloadChanged", evidence);
      return true;
    }
    const wanted = this.#build(set, liveHash === hash ? template : templateOf(live), kept);
    this.#correct("updateStatefulSet", this.#keepClaims(withHash(wanted, liveHash), live), live);
    return false;
  }

  #build({ zone }: ZoneSet, template: PodTemplate, replicas: number): OwnedObject {
    const { owner, spec } = this.#seen;
    return buildStatefulSet({ owner, spec, zone, replicas, template });
  }

  /** What is there under the name: nothing, our object, or `none` when it is not ours to touch now. */
  #usable(wanted: OwnedObject): LiveObject | undefined | "none" {
    const live = this.#seen.children.find(
      (child) => child.kind === wanted.kind && child.metadata.name === wanted.metadata.name,
    );
    if (live === undefined) return undefined;
    // Its end is seen, and then it is made again.
    if (live.metadata.deletionTimestamp !== undefined) return "none";
    if (isOursToKeep(live, this.#seen.owner)) return withoutForeignFields(live, wanted);
    this.blockers.push(nameInUse(live));
    return "none";
  }

  #create(kind: WorkloadActionKind, object: OwnedObject): void {
    const name = objectName(object);
    const reason = this.#seen.seen.has(name) ? "WorkloadRestored" : "WorkloadCreated";
    this.actions.push({ kind, object, precondition: "absent", reason, evidence: { object: name } });
  }

  #correct(kind: WorkloadActionKind, wanted: OwnedObject, live: LiveObject): void {
    const difference = firstDifference(wanted, live) ?? unusedFile(wanted, live);
    if (difference === undefined) return;
    const scaled = difference === "spec.replicas" && isGrowth(wanted, live);
    const reason = scaled || kind === "applySettings" ? "WorkloadChanged" : "DriftCorrected";
    const evidence = { object: objectName(wanted), field: difference, changedBy: lastOtherManager(live) };
    this.#apply(kind, wanted, live, reason, evidence);
  }

  #apply(
    kind: WorkloadActionKind,
    object: OwnedObject,
    live: LiveObject,
    reason: Reason,
    evidence: WorkloadAction["evidence"],
  ): void {
    this.actions.push({ kind, object, precondition: { uid: live.metadata.uid }, reason, evidence });
  }

  /** Pods of nodes that are counted on are not taken away, whatever somebody or something says of their number. */
  #replicas(live: LiveObject, wanted: number): number {
    const present = Number(live.spec?.["replicas"] ?? wanted);
    // Before the control plane has said which nodes there are, all of them may be.
    if (this.#seen.knownNodes.size === 0) return Math.max(present, wanted);
    return this.#atLeastKnown(live.metadata.name, wanted);
  }

  #atLeastKnown(statefulSet: string, wanted: number): number {
    let replicas = wanted;
    while (this.#seen.knownNodes.has(`${statefulSet}-${replicas}`)) replicas += 1;
    return replicas;
  }

  /** Claims of a StatefulSet can't be changed: a write that tries is refused as a whole. */
  #keepClaims(wanted: OwnedObject, live: LiveObject): OwnedObject {
    const spec = wanted["spec"] as Readonly<Record<string, unknown>>;
    const claims = live.spec?.["volumeClaimTemplates"];
    const difference = firstDifference(spec["volumeClaimTemplates"], claims, "volumeClaimTemplates");
    if (difference === undefined) return wanted;
    this.blockers.push({
      rule: "ChangeRefused",
      evidence: `${objectName(live)} keeps its ${difference}: claims of a StatefulSet can't be changed`,
      unblock: "Set spec.storage back to what it was.",
    });
    const { volumeClaimTemplates: _, ...rest } = spec;
    return { ...wanted, spec: claims === undefined ? rest : { ...rest, volumeClaimTemplates: claims } };
  }

  #reportOlder(pods: readonly string[], isTheirTurn: boolean): void {
    const turn = isTheirTurn ? "the newer one is theirs when they start again" : "the newer one is held back";
    this.blockers.push({
      rule: "TemplateHeldBack",
      evidence: `${pods.join(", ")}: ${turn}`,
      unblock: NEXT_STEP.TemplateHeldBack,
    });
  }
}

/** The files of all pods and StatefulSets that there are: a pod whose file is gone can't start its container again. */
function settingsMap({ owner, spec, children, pods }: WorkloadObservation): OwnedObject {
  const { key, text } = nodeSettingsFile(spec.resources);
  const inUse = new Set(pods.map((pod) => pod.settingsKey));
  for (const child of children) {
    if (child.kind !== "StatefulSet") continue;
    inUse.add(templateOf(child).metadata.annotations[SETTINGS_KEY] ?? "");
  }
  const { settings } = clusterObjectNames(owner.name);
  const map = children.find((child) => child.kind === "ConfigMap" && child.metadata.name === settings);
  const present = map?.data ?? {};
  const kept = Object.entries(present).filter(([one]) => inUse.has(one));
  return buildSettingsMap(owner, { ...Object.fromEntries(kept), [key]: text });
}

/** As the operator left it. */
function withoutForeignFields(live: LiveObject, wanted: OwnedObject): LiveObject {
  return live.kind === "StatefulSet" ? withoutFields(live, foreignFields(live, wanted)) : live;
}

/** Ours, or left by a cluster of the name that was deleted without its objects. */
export function isOursToKeep(live: LiveObject, owner: ClusterOwner): boolean {
  const controller = live.metadata.ownerReferences?.find((reference) => reference.controller === true);
  if (controller !== undefined) return controller.uid === owner.uid;
  return live.metadata.labels?.[CLUSTER_LABEL] === owner.name;
}

export function nameInUse(live: LiveObject): PlanBlocker {
  const controller = live.metadata.ownerReferences?.find((reference) => reference.controller === true);
  const whose = controller === undefined ? "nobody of ours" : `${controller.kind} ${controller.name}`;
  return {
    rule: "NameInUse",
    evidence: `${objectName(live)} belongs to ${whose} (uid ${controller?.uid ?? "none"})`,
    unblock: NEXT_STEP.NameInUse,
  };
}

export function templateOf(live: LiveObject): PodTemplate {
  const template = live.spec?.["template"] as Partial<PodTemplate> | undefined;
  return {
    metadata: { labels: {}, annotations: {}, ...template?.metadata },
    spec: template?.spec ?? {},
  };
}

function hashOf(template: PodTemplate): string {
  return template.metadata.annotations[TEMPLATE_HASH] ?? "";
}

function withHash(object: OwnedObject, hash: string): OwnedObject {
  return { ...object, metadata: { ...object.metadata, annotations: { [TEMPLATE_HASH]: hash } } };
}

function isPodOf(pod: string, statefulSet: string): boolean {
  return pod.startsWith(`${statefulSet}-`) && /^\d+$/.test(pod.slice(statefulSet.length + 1));
}

/** A file of settings that no pod has any more. */
function unusedFile(wanted: OwnedObject, live: LiveObject): string | undefined {
  const files = wanted["data"] as Readonly<Record<string, string>> | undefined;
  const unused = files && Object.keys(live.data ?? {}).find((key) => !Object.hasOwn(files, key));
  return unused && `data.${unused}`;
}

function replicasOf(wanted: OwnedObject): number {
  return (wanted["spec"] as { readonly replicas: number }).replicas;
}

function isGrowth(wanted: OwnedObject, live: LiveObject): boolean {
  return replicasOf(wanted) > Number(live.spec?.["replicas"] ?? 0);
}

/** Who wrote to the object last, besides the operator and the controllers of Kubernetes. */
function lastOtherManager(live: LiveObject): string {
  const others = (live.metadata.managedFields ?? []).filter(
    ({ manager, subresource }) => manager !== "prism-operator" && subresource !== "status",
  );
  const newest = others.sort((left, right) => (left.time ?? "").localeCompare(right.time ?? "")).at(-1);
  return newest?.manager ?? "unknown";
}
