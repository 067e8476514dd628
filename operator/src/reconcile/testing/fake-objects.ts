/** An API server's view of one cluster's objects: applies merge, versions count, and a crash can strike after a write. */
import type { OwnedObject } from "../../resources/owned-object.js";
import { withoutFields } from "../foreign-fields.js";
import type { LiveObject } from "../workload-action.js";
import type { PodFacts } from "../workload-plan.js";
import type { WorkloadObjects } from "../workload-reconciler.js";

type Json = Record<string, unknown>;

export class FakeObjects implements WorkloadObjects {
  readonly stored = new Map<string, LiveObject>();
  /** What the cache shows; follows `stored` unless it lags. */
  lagging: readonly LiveObject[] | undefined;
  podFacts: PodFacts[] = [];
  readonly applied: string[] = [];
  /** Called after each write. */
  afterApply: (object: OwnedObject) => void = () => undefined;
  #version = 0;

  children(): readonly LiveObject[] {
    return this.lagging ?? [...this.stored.values()];
  }

  pods(): readonly PodFacts[] {
    return this.podFacts;
  }

  read(object: OwnedObject): Promise<LiveObject | undefined> {
    return Promise.resolve(this.stored.get(keyOf(object)));
  }

  async apply(object: OwnedObject): Promise<LiveObject> {
    const key = keyOf(object);
    const present = this.stored.get(key);
    const { uid } = object.metadata;
    if (uid !== undefined && present?.metadata.uid !== uid) throw new Error("Conflict: another object");
    await Promise.resolve();
    const merged = merge(present ?? {}, object) as LiveObject;
    if (present && JSON.stringify(merged) === JSON.stringify(present)) return present;
    this.applied.push(key);
    const stored = this.put(merged, present?.metadata.uid);
    this.afterApply(object);
    return stored;
  }

  async drop(live: LiveObject, pointers: readonly string[]): Promise<LiveObject> {
    const key = keyOf(live);
    const present = this.stored.get(key);
    if (present?.metadata.resourceVersion !== live.metadata.resourceVersion) throw new Error("Conflict");
    await Promise.resolve();
    const left = withoutFields(
      present,
      pointers.map((pointer) => ({ pointer, path: "", manager: "" })),
    );
    this.applied.push(key);
    const { managedFields: _, ...metadata } = left.metadata;
    const stored = this.put({ ...left, metadata }, present.metadata.uid);
    this.afterApply(stored as unknown as OwnedObject);
    return stored;
  }

  /** As somebody else writes. */
  put(object: LiveObject, uid?: string): LiveObject {
    this.#version += 1;
    const metadata = {
      ...object.metadata,
      uid: uid ?? `uid-${this.#version}`,
      resourceVersion: String(this.#version),
      creationTimestamp: "2026-01-01T00:00:00Z",
    };
    const stored = { ...object, metadata };
    this.stored.set(keyOf(stored), stored);
    return stored;
  }

  edit(key: string, change: (object: Json) => void, manager = "kubectl-edit", fieldsV1: Json = {}): void {
    const present = this.stored.get(key);
    if (!present) throw new Error(`no ${key}`);
    const copy = structuredClone(present) as unknown as Json;
    change(copy);
    const managedFields = [{ manager, operation: "Update", time: "2026-01-01T00:00:01Z", fieldsV1 }];
    (copy["metadata"] as Json)["managedFields"] = managedFields;
    this.put(copy as unknown as LiveObject, present.metadata.uid);
  }

  spec(key: string): Json {
    const spec = this.stored.get(key)?.spec;
    if (!spec) throw new Error(`no ${key}`);
    return spec;
  }
}

function keyOf({ kind, metadata }: { kind: string; metadata: { name: string } }): string {
  return `${kind}/${metadata.name}`;
}

function merge(live: unknown, wanted: unknown): unknown {
  if (typeof wanted !== "object" || wanted === null || Array.isArray(wanted)) return wanted;
  const base = typeof live === "object" && live !== null ? (live as Json) : {};
  const merged: Json = { ...base };
  for (const [key, value] of Object.entries(wanted))
    merged[key] = key === "data" ? value : merge(base[key], value);
  return merged;
}
