/**
 * A controller's own writes that its cache has not shown yet. Whoever decides from a cache that lacks
 * them decides twice: a second pod is created, the same deletion is counted again. (Kubernetes'
 * ReplicaSet controller counts; here each write is remembered by its object and version, so that a
 * write that fails, or one that another writer overtakes, leaves nothing to wait for.)
 */
import { keyOf, type KubeObject, type ObjectName, type Stored } from "./kube-object.js";
import type { ObjectCache } from "./object-cache.js";
import { compareResourceVersions } from "./resource-version.js";

interface Expected {
  readonly key: string;
  readonly uid: string;
  /** Undefined for a deletion. */
  readonly resourceVersion: string | undefined;
  readonly untilMs: number;
}

export interface ExpectationsOptions {
  /** After so long without the cache showing it, reality must be read directly. Default 60 s. */
  readonly timeoutMs?: number;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

export type Outlook = "seen" | "waiting" | "overdue";

export class Expectations<T extends KubeObject> {
  readonly #cache: Pick<ObjectCache<T>, "get" | "hasReflected">;
  readonly #timeoutMs: number;
  readonly #now: () => number;
  readonly #scopes = new Map<string, Map<string, Expected>>();

  constructor(cache: Pick<ObjectCache<T>, "get" | "hasReflected">, options: ExpectationsOptions = {}) {
    this.#cache = cache;
    this.#timeoutMs = options.timeoutMs ?? 60_000;
    this.#now = options.now ?? ((): number => performance.now());
  }

  /** The answer to a create, replace, apply or patch. `scope` is the key of whoever decides: its work waits. */
  written(scope: string, { metadata }: Stored<T>): void {
    this.#expect(scope, keyOf(metadata), metadata.uid, metadata.resourceVersion);
  }

  /** The server accepted the deletion. Seen when the object is gone or on its way. */
  deleted(scope: string, object: ObjectName & { readonly uid: string }): void {
    this.#expect(scope, keyOf(object), object.uid, undefined);
  }

  /**
   * "seen": the cache shows all that was written in this scope. "waiting": not yet, decide nothing. "overdue":
   * it should have; read from the server before deciding, and `forget` what was expected.
   */
  outlook(scope: string): Outlook {
    const expected = this.#scopes.get(scope);
    if (!expected) return "seen";
    for (const one of expected.values()) if (this.#isSeen(one)) expected.delete(one.key);
    if (expected.size === 0) {
      this.#scopes.delete(scope);
      return "seen";
    }
    const now = this.#now();
    return [...expected.values()].some(({ untilMs }) => untilMs <= now) ? "overdue" : "waiting";
  }

  forget(scope: string): void {
    this.#scopes.delete(scope);
  }

  #expect(scope: string, key: string, uid: string, resourceVersion: string | undefined): void {
    const expected = this.#scopes.get(scope) ?? new Map<string, Expected>();
    this.#scopes.set(scope, expected);
    expected.set(key, { key, uid, resourceVersion, untilMs: this.#now() + this.#timeoutMs });
  }

  #isSeen({ key, uid, resourceVersion }: Expected): boolean {
    const object = this.#cache.get(key);
    if (resourceVersion === undefined)
      return (
        object === undefined || object.metadata.uid !== uid || object.metadata.deletionTimestamp !== undefined
      );
    // Past it, the object may be gone again by somebody else's hand.
    if (this.#cache.hasReflected(resourceVersion)) return true;
    // A later object of that name is newer as well.
    return (
      object !== undefined && compareResourceVersions(object.metadata.resourceVersion, resourceVersion) >= 0
    );
  }
}
