/**
 * Keeps a cache like the API server: lists once, then follows a watch, and begins again wherever that
 * breaks off. It never gives up and never ends by itself.
 */
import type { ApiClient, Selection } from "./api-client.js";
import { ApiError } from "./api-error.js";
import { Backoff, type BackoffOptions } from "./backoff.js";
import { delay } from "./deadline.js";
import type { KubeObject } from "./kube-object.js";
import type { ObjectSink } from "./object-cache.js";
import { listAll } from "./paged-list.js";
import { compareResourceVersions } from "./resource-version.js";
import type { Resource } from "./resource.js";

export interface ReflectorOptions<T extends KubeObject> extends Selection {
  readonly client: Pick<ApiClient, "list" | "watch">;
  readonly resource: Resource;
  readonly sink: ObjectSink<T>;
  /** Hears of everything that made it wait before the next attempt. */
  readonly onError?: (error: unknown) => void;
  /** Objects in one page of a list. Default 500. */
  readonly pageSize?: number;
  /** For one page. Default 60 s. */
  readonly listTimeoutMs?: number;
  /**
   * A watch that is silent for so long is taken for cut, whatever TCP says, and taken up again where it
   * was. Servers send bookmarks about once a minute, so that quiet resources cost one request now and then.
   * Default 45 s.
   */
  readonly inactivityTimeoutMs?: number;
  /** Default 200 ms, growing to 5 s. */
  readonly backoff?: Omit<BackoffOptions, "random">;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

/** Servers end watches themselves; between these, so that not all do at once. */
const WATCH_MIN_SECONDS = 240;
const WATCH_MAX_SECONDS = 360;
/** A watch that lived for so long was a good one: what fails next begins with short delays. */
const GOOD_WATCH_MS = 10_000;

export class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #backoff: Backoff;
  readonly #random: () => number;
  #running: { readonly controller: AbortController; readonly done: Promise<void> } | undefined;
  #resourceVersion: string | undefined;
  #lastHeardAtMs = -Infinity;
  #synced = deferred();

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#backoff = new Backoff({ baseMs: 200, maxMs: 5_000, ...options.backoff, random: this.#random });
  }

  /** A second call does nothing. After stop() it lists anew. */
  start(): void {
    if (this.#running) return;
    const controller = new AbortController();
    this.#running = { controller, done: this.#run(controller.signal) };
  }

  /** The sink hears nothing any more from the moment of the call; resolves when requests have ended too. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (!running) return;
    running.controller.abort(new Error("the reflector was stopped"));
    await running.done;
    if (this.#running === running) this.#running = undefined;
  }

  /** Resolves when the first list is in the sink. Rejects with the signal's reason. */
  async synced(signal?: AbortSignal): Promise<void> {
    if (!signal) return this.#synced.promise;
    signal.throwIfAborted();
    let onAbort = (): void => undefined;
    const aborted = new Promise<never>((_, reject) => {
      onAbort = (): void => reject(signal.reason as Error);
      signal.addEventListener("abort", onAbort, { once: true });
    });
    await Promise.race([this.#synced.promise, aborted]).finally(() =>
      signal.removeEventListener("abort", onAbort),
    );
  }

  get hasSynced(): boolean {
    return this.#synced.isResolved;
  }

  /** Since the server last said anything: a list, an event, a bookmark. Infinity when it never did. */
  get silentMs(): number {
    return performance.now() - this.#lastHeardAtMs;
  }

  async #run(signal: AbortSignal): Promise<void> {
    this.#resourceVersion = undefined;
    while (!signal.aborted) {
      const beganAtMs = performance.now();
      let failure: unknown;
      try {
        if (this.#resourceVersion === undefined) await this.#list(signal);
        await this.#watch(signal);
      } catch (error) {
        failure = error;
      }
      if (signal.aborted) return;
      const livedMs = performance.now() - beganAtMs;
      if (livedMs >= GOOD_WATCH_MS) this.#backoff.reset();
      const isForgotten = failure instanceof ApiError && failure.isExpired;
      if (isForgotten) this.#resourceVersion = undefined;
      const isQuiet = failure instanceof ApiError && failure.reason === "Timeout" && this.#hasListed();
      if ((failure === undefined || isQuiet) && livedMs >= GOOD_WATCH_MS) continue;
      if (failure !== undefined) this.#options.onError?.(failure);
      await this.#pause(failure, signal);
    }
  }

  #hasListed(): boolean {
    return this.#resourceVersion !== undefined;
  }

  async #pause(failure: unknown, signal: AbortSignal): Promise<void> {
    const retryAfterMs = failure instanceof ApiError ? (failure.retryAfterMs ?? 0) : 0;
    // Rejects only when stopped, which the loop sees by itself.
    await delay(Math.max(this.#backoff.next(), retryAfterMs), signal).catch(() => undefined);
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { client, resource, sink, namespace, labelSelector, fieldSelector } = this.#options;
    const { items, resourceVersion } = await listAll<T>(client, resource, {
      namespace,
      labelSelector,
      fieldSelector,
      pageSize: this.#options.pageSize,
      timeoutMs: this.#options.listTimeoutMs ?? 60_000,
      signal,
    });
    if (signal.aborted) return;
    this.#lastHeardAtMs = performance.now();
    sink.replaceAll(items, resourceVersion);
    this.#resourceVersion = resourceVersion;
    this.#synced.resolve();
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { client, resource, sink, namespace, labelSelector, fieldSelector } = this.#options;
    if (this.#resourceVersion === undefined) return;
    const events = client.watch<T>(resource, {
      namespace,
      labelSelector,
      fieldSelector,
      resourceVersion: this.#resourceVersion,
      timeoutSeconds: Math.round(
        WATCH_MIN_SECONDS + this.#random() * (WATCH_MAX_SECONDS - WATCH_MIN_SECONDS),
      ),
      inactivityTimeoutMs: this.#options.inactivityTimeoutMs ?? 45_000,
      signal,
    });
    for await (const event of events) {
      if (signal.aborted) return;
      this.#lastHeardAtMs = performance.now();
      const version =
        event.type === "BOOKMARK" ? event.resourceVersion : event.object.metadata.resourceVersion;
      this.#moveTo(version);
      if (event.type === "DELETED") sink.remove(event.object);
      else if (event.type !== "BOOKMARK") sink.take(event.object);
    }
  }

  #moveTo(version: string): void {
    if (compareResourceVersions(version, this.#resourceVersion ?? "") < 0)
      throw new ApiError({
        status: 410,
        reason: "Expired",
        message: `the watch went back from version ${this.#resourceVersion} to ${version}: the server was restored`,
      });
    this.#resourceVersion = version;
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void; isResolved: boolean } {
  let resolvePromise = (): void => undefined;
  const promise = new Promise<void>((resolve) => {
    resolvePromise = resolve;
  });
  const self = {
    promise,
    isResolved: false,
    resolve: (): void => {
      self.isResolved = true;
      resolvePromise();
    },
  };
  return self;
}
