/**
 * The Store of one cluster over the API server. Shows the objects that name the cluster: records and nodes all,
 * collections as they were accepted (domain/collection-admission.ts), under the names that HTTP knows them by.
 *
 * What a writer wrote is heard here before its promise resolves, and a watch that lags behind never takes it
 * back: that is the cache's doing. After a conflict the object is read again before the writer is told, so that who
 * decides again decides from what is there.
 *
 * A record of a shard is shown once its version is on record, and without its content when a newer one was: nobody
 * can act on what a record that was put back says (record-ledger.ts).
 */
import { isDeepStrictEqual } from "node:util";
import type { ApiClient } from "@prism/kube-machinery/api-client";
import type { Stored } from "@prism/kube-machinery/kube-object";
import type { CacheChange, ObjectCache } from "@prism/kube-machinery/object-cache";
import type { Resource } from "@prism/kube-machinery/resource";
import { HTTP_MANAGER } from "../../domain/collection-change.js";
import { toCollectionSpec } from "../../domain/map-of-cluster.js";
import {
  StoreError,
  type ApiObject,
  type DeletePrecondition,
  type Kind,
  type NewObject,
  type ObjectChange,
  type ObjectList,
  type Store,
} from "../../ports/store.js";
import { FIELD_MANAGER } from "../../resources/owned-object.js";
import { ChangeFeed } from "../local/change-feed.js";
import { ClusterIdentity } from "./cluster-identity.js";
import {
  collectionNameOf,
  toCollection,
  toNode,
  toRaw,
  toShard,
  versionOfRecord,
  withAccepted,
  withoutRecord,
  type RecordKind,
} from "./kube-objects.js";
import {
  clusterOf,
  PRISM_COLLECTIONS,
  PRISM_NODES,
  PRISM_SHARDS,
  type RawObject,
} from "./prism-resources.js";
import { RecordLedger } from "./record-ledger.js";
import { toStoreError } from "./store-errors.js";

export type RawCaches = Readonly<Record<RecordKind, ObjectCache<RawObject>>>;

export interface KubeStoreOptions {
  readonly client: ApiClient;
  /** In step with the API server: a list that is not complete would show records as lost. */
  readonly caches: RawCaches;
  readonly namespace: string;
  readonly cluster: string;
  /** A watch can take up after so many of the last changes; default 4096. */
  readonly remembered?: number;
  /** Records are shown later than they could be; it is tried again. */
  readonly onError?: (error: unknown) => void;
}

const RESOURCES: Readonly<Record<RecordKind, Resource>> = {
  PrismCollection: PRISM_COLLECTIONS,
  PrismShard: PRISM_SHARDS,
  PrismNode: PRISM_NODES,
};
const RECORD_KINDS = ["PrismCollection", "PrismShard", "PrismNode"] as const;

export class KubeStore implements Store {
  readonly #client: ApiClient;
  readonly #caches: RawCaches;
  readonly #namespace: string;
  readonly #cluster: string;
  readonly #identity: ClusterIdentity;
  readonly #ledger: RecordLedger;
  /** By uid: records whose version is not on record yet. */
  readonly #held = new Map<string, Stored<RawObject>>();
  readonly #changes: ChangeFeed;
  /** By kind, then by the name that the Store shows. */
  readonly #shown: Readonly<Record<RecordKind, Map<string, ApiObject>>>;
  /** By uid: under which name an object is shown. */
  readonly #names = new Map<string, string>();
  readonly #stops: (() => void)[] = [];

  constructor(options: KubeStoreOptions) {
    const { client, namespace, cluster } = options;
    this.#client = client;
    this.#caches = options.caches;
    this.#changes = new ChangeFeed(0, options.remembered);
    this.#namespace = namespace;
    this.#cluster = cluster;
    this.#identity = new ClusterIdentity({ client, namespace, cluster, fieldManager: FIELD_MANAGER });
    this.#ledger = new RecordLedger({
      client,
      namespace,
      cluster,
      fieldManager: FIELD_MANAGER,
      onNoted: () => this.#judgeHeld(),
      onError: options.onError ?? (() => undefined),
    });
    this.#shown = { PrismCollection: new Map(), PrismShard: new Map(), PrismNode: new Map() };
    for (const kind of RECORD_KINDS) {
      this.#stops.push(options.caches[kind].follow((change) => this.#take(kind, change)));
    }
  }

  async get<K extends Kind>(kind: K, name: string): Promise<ApiObject<K> | undefined> {
    if (kind === "PrismCluster") {
      return name === this.#cluster ? ((await this.#identity.read()) as ApiObject<K> | undefined) : undefined;
    }
    const recordKind: RecordKind = kind;
    const rawName = this.find(recordKind, name)?.metadata.name ?? name;
    await this.#refresh(recordKind, rawName);
    if (kind === "PrismShard") await this.#ledger.settled();
    return this.#shown[recordKind].get(name) as ApiObject<K> | undefined;
  }

  async list<K extends Kind>(kind: K): Promise<ObjectList<K>> {
    if (kind === "PrismShard") await this.#ledger.settled();
    const resourceVersion = String(this.#changes.latest);
    if (kind === "PrismCluster") {
      const cluster = await this.#identity.read();
      return { items: (cluster ? [cluster] : []) as unknown as ApiObject<K>[], resourceVersion };
    }
    const items = [...this.#shown[kind as RecordKind].values()] as unknown as ApiObject<K>[];
    return { items: items.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)), resourceVersion };
  }

  watch<K extends Kind>(
    kind: K,
    resourceVersion: string,
    listener: (change: ObjectChange<K>) => void,
  ): () => void {
    return this.#changes.watch(kind, resourceVersion, listener);
  }

  async create<K extends Kind>(object: NewObject<K>): Promise<ApiObject<K>> {
    if (object.kind === "PrismCluster") {
      const { spec, status } = object as unknown as NewObject<"PrismCluster">;
      return this.#own(await this.#identity.create(spec, status)) as unknown as ApiObject<K>;
    }
    const record = object as unknown as NewObject<RecordKind>;
    if (this.#shown[record.kind].has(object.name)) {
      throw new StoreError("alreadyExists", `${object.kind} ${object.name}`);
    }
    const raw = toRaw(record, this.#namespace, this.#cluster);
    const fieldManager = record.kind === "PrismCollection" ? HTTP_MANAGER : FIELD_MANAGER;
    const made = await this.#send(record.kind, raw.metadata.name, () =>
      this.#client.create(RESOURCES[record.kind], raw, { fieldManager }),
    ).catch((error: unknown) => {
      throw this.#nameTaken(record, raw.metadata.name) ?? error;
    });
    if (record.kind === "PrismShard") await this.#ledger.settled();
    if (record.kind === "PrismCollection") {
      const { spec } = object as unknown as NewObject<"PrismCollection">;
      await this.#accept(made, toCollectionSpec(spec));
    }
    return this.#shownAs(record.kind, made.metadata.uid) as ApiObject<K>;
  }

  async update<K extends Kind>(object: ApiObject<K>): Promise<ApiObject<K>> {
    if (object.kind === "PrismCluster") {
      const cluster = object as unknown as ApiObject<"PrismCluster">;
      return this.#own(await this.#identity.update(cluster)) as unknown as ApiObject<K>;
    }
    const kind: RecordKind = object.kind;
    const raw = this.#meant(kind, object);
    const { uid, resourceVersion } = object.metadata;
    if (kind === "PrismCollection") {
      await this.#updateCollection(raw, object as unknown as ApiObject<"PrismCollection">);
    } else {
      // What is decided from what is shown would be decided from an older one.
      if (this.#held.has(uid)) await this.#ledger.settled();
      const spec: RawObject["spec"] = { ...object.spec, clusterRef: { name: this.#cluster } };
      const metadata = { ...raw.metadata, uid, resourceVersion };
      const next: Stored<RawObject> = { ...raw, metadata, spec, status: { ...object.status } };
      await this.#send(kind, raw.metadata.name, () =>
        this.#client.replace(RESOURCES[kind], next, { fieldManager: FIELD_MANAGER }),
      );
      if (this.#held.has(uid)) await this.#ledger.settled();
    }
    return this.#shownAs(kind, uid) as ApiObject<K>;
  }

  async delete(kind: Kind, name: string, precondition: DeletePrecondition): Promise<void> {
    if (kind === "PrismCluster") throw new Error("what outlives a cluster is not deleted with it");
    const record: RecordKind = kind;
    const raw = this.find(record, name);
    const shown = this.#shown[record].get(name);
    if (!raw || !shown) throw new StoreError("notFound", `${kind} ${name}`);
    const { uid, resourceVersion } = precondition;
    const at = { namespace: this.#namespace, name: raw.metadata.name };
    try {
      await this.#client.delete(RESOURCES[record], at, { preconditions: { uid, resourceVersion } });
    } catch (error) {
      await this.#refresh(record, raw.metadata.name);
      throw toStoreError(error);
    }
    if (kind === "PrismShard") this.#ledger.forget((shown as ApiObject<"PrismShard">).spec);
    // A finalizer keeps it: it goes when the watch says so.
    if ((raw.metadata.finalizers ?? []).length === 0) this.#caches[record].heardGone(raw);
  }

  highestVersion(collectionUid: string, number: number): number {
    return this.#ledger.highest({ collectionUid, number });
  }

  /** What somebody did to the identity is set back; resolves with what was wrong. @throws {StoreError} conflict */
  async restoreIdentity(): Promise<string | undefined> {
    return this.#identity.restore();
  }

  /** True when somebody had deleted which versions records have come to, and it was made again. */
  async restoreLedger(): Promise<boolean> {
    return this.#ledger.restore();
  }

  async close(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop();
    this.#ledger.close();
    this.#changes.close();
  }

  /** The status first says what is accepted; only then is the object shown. */
  async #accept(raw: Stored<RawObject>, spec: ReturnType<typeof toCollectionSpec>): Promise<void> {
    const accepted = { spec, generation: raw.metadata.generation ?? 1 };
    const next = { ...raw, status: withAccepted({ ...raw.status, shardsCreated: false }, accepted) };
    try {
      await this.#send("PrismCollection", raw.metadata.name, () =>
        this.#client.replaceStatus(PRISM_COLLECTIONS, next, { fieldManager: FIELD_MANAGER }),
      );
    } catch (error) {
      // Whoever else looks after collections here may have accepted it in between.
      const isShown = this.#names.has(raw.metadata.uid);
      if (!(error instanceof StoreError) || error.failure !== "conflict" || !isShown) throw error;
    }
  }

  /** Spec and status are two writes: what is accepted is in the second, so that the first alone changes nothing. */
  async #updateCollection(raw: Stored<RawObject>, object: ApiObject<"PrismCollection">): Promise<void> {
    const { uid, resourceVersion } = object.metadata;
    const shown = this.#shownAs("PrismCollection", uid) as ApiObject<"PrismCollection">;
    let stored: Stored<RawObject> = { ...raw, metadata: { ...raw.metadata, resourceVersion } };
    const specChanged = !isDeepStrictEqual(shown.spec, object.spec);
    if (specChanged) {
      const next: Stored<RawObject> = { ...stored, spec: { ...object.spec } };
      stored = await this.#send("PrismCollection", raw.metadata.name, () =>
        this.#client.replace(PRISM_COLLECTIONS, next, { fieldManager: HTTP_MANAGER }),
      );
    }
    const generation = specChanged ? (stored.metadata.generation ?? 1) : object.metadata.generation;
    const accepted = { spec: toCollectionSpec(object.spec), generation };
    const status = withAccepted({ ...stored.status, ...object.status }, accepted);
    await this.#send("PrismCollection", raw.metadata.name, () =>
      this.#client.replaceStatus(PRISM_COLLECTIONS, { ...stored, status }, { fieldManager: FIELD_MANAGER }),
    );
  }

  /** Sends a write; its answer, or after a conflict what is there now, is heard before it returns. */
  async #send(
    kind: RecordKind,
    rawName: string,
    write: () => Promise<Stored<RawObject>>,
  ): Promise<Stored<RawObject>> {
    try {
      return this.#caches[kind].heard(await write());
    } catch (error) {
      const failure = toStoreError(error);
      if (failure instanceof StoreError) await this.#refresh(kind, rawName);
      throw failure;
    }
  }

  async #refresh(kind: RecordKind, rawName: string): Promise<void> {
    const name = { namespace: this.#namespace, name: rawName };
    const cache = this.#caches[kind];
    const before = cache.named(name);
    const object = await this.#client.get<RawObject>(RESOURCES[kind], name);
    if (object) cache.heard(object);
    else if (before) cache.heardGone(before);
  }

  /** What is in the way, when it is not the very collection that was to be made. */
  #nameTaken({ kind, name }: NewObject<RecordKind>, rawName: string): StoreError | undefined {
    const present = this.#caches[kind].named({ namespace: this.#namespace, name: rawName });
    if (kind !== "PrismCollection" || present === undefined) return undefined;
    const [cluster, held] = [clusterOf(present), collectionNameOf(present)];
    if (cluster === this.#cluster && held === name) return undefined;
    const detail = `collection ${name} would be PrismCollection ${rawName}, which is collection ${held} of cluster ${cluster ?? "unknown"}`;
    return new StoreError("nameTaken", detail);
  }

  /** The object that a caller means, as it is now. */
  #meant(kind: RecordKind, { metadata }: ApiObject): Stored<RawObject> {
    const raw = this.find(kind, metadata.name);
    if (!raw) throw new StoreError("notFound", `${kind} ${metadata.name}`);
    if (raw.metadata.uid !== metadata.uid) {
      throw new StoreError("conflict", `${kind} ${metadata.name} was made again since it was read`);
    }
    return raw;
  }

  /** The API server's object behind one that is shown. */
  find(kind: RecordKind, name: string): Stored<RawObject> | undefined {
    const shown = this.#shown[kind].get(name);
    return shown && this.#caches[kind].byUid(shown.metadata.uid);
  }

  #shownAs(kind: RecordKind, uid: string): ApiObject {
    const name = this.#names.get(uid);
    const object = name === undefined ? undefined : this.#shown[kind].get(name);
    if (!object) throw new StoreError("notFound", `${kind} with uid ${uid} went as it was written`);
    return object;
  }

  #own(cluster: ApiObject<"PrismCluster">): ApiObject<"PrismCluster"> {
    this.#changes.publish(this.#changes.latest + 1, "put", cluster);
    return cluster;
  }

  #take(kind: RecordKind, change: CacheChange<RawObject>): void {
    const raw = change.object;
    const { uid, namespace } = raw.metadata;
    if (namespace !== this.#namespace) return;
    const knownName = this.#names.get(uid);
    const known = knownName === undefined ? undefined : this.#shown[kind].get(knownName);
    const isOurs = clusterOf(raw) === this.#cluster || known !== undefined;
    this.#held.delete(uid);
    if (!isOurs) return;
    let object = change.type === "put" ? this.#toObject(kind, raw, known) : undefined;
    const version = object && kind === "PrismShard" ? versionOfRecord(raw) : undefined;
    if (object && version !== undefined) {
      const standing = this.#ledger.take((object as ApiObject<"PrismShard">).spec, version);
      if (standing === "notYet") {
        this.#held.set(uid, raw);
        return;
      }
      if (standing === "older") object = withoutRecord(object as ApiObject<"PrismShard">);
    }
    if (known && known.metadata.name !== object?.metadata.name) this.#hide(kind, known);
    if (object) this.#show(kind, object);
  }

  #judgeHeld(): void {
    // Judging takes each out, and may put it back.
    const held = [...this.#held.values()];
    for (const object of held) {
      this.#take("PrismShard", { type: "put", object, before: undefined });
    }
  }

  #toObject(kind: RecordKind, raw: Stored<RawObject>, known: ApiObject | undefined): ApiObject | undefined {
    switch (kind) {
      case "PrismCollection":
        return toCollection(raw, this.#cluster);
      case "PrismShard":
        return toShard(raw, this.#cluster, known as ApiObject<"PrismShard"> | undefined);
      case "PrismNode":
        return toNode(raw);
    }
  }

  #show(kind: RecordKind, object: ApiObject): void {
    const { name, uid } = object.metadata;
    const present = this.#shown[kind].get(name);
    // Who comes second under a name is not shown; judging that is not the store's.
    if (present && present.metadata.uid !== uid) return;
    this.#shown[kind].set(name, object);
    this.#names.set(uid, name);
    this.#changes.publish(this.#changes.latest + 1, "put", object);
  }

  #hide(kind: RecordKind, object: ApiObject): void {
    this.#shown[kind].delete(object.metadata.name);
    this.#names.delete(object.metadata.uid);
    this.#changes.publish(this.#changes.latest + 1, "deleted", object);
  }
}
