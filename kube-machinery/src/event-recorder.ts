/** Events for people (events.k8s.io/v1): told in the background, never waited for, never the reason that something fails. */
import type { ApiClient } from "./api-client.js";
import { ApiError } from "./api-error.js";
import { Backoff } from "./backoff.js";
import { delay } from "./deadline.js";
import type { KubeObject, Stored } from "./kube-object.js";
import type { Resource } from "./resource.js";

export const EVENTS: Resource = {
  group: "events.k8s.io",
  version: "v1",
  kind: "Event",
  plural: "events",
  namespaced: true,
};

export interface KubeEvent {
  readonly regarding: Stored;
  readonly related?: Stored | undefined;
  readonly type: "Normal" | "Warning";
  /** Why, in CamelCase. At most 128 characters. */
  readonly reason: string;
  /** What was done, in CamelCase. At most 128 characters. */
  readonly action: string;
  /** For people. Cut at 1,024 characters, the API's limit. */
  readonly note: string;
}

export interface EventRecorderOptions {
  readonly client: Pick<ApiClient, "create" | "patch">;
  /** Name of the controller, such as `example.com/operator`. */
  readonly controller: string;
  /** Of this process, such as its pod's name. */
  readonly instance: string;
  /** Of events about objects without a namespace. Default `default`. */
  readonly namespace?: string;
  /** Events waiting to be written; those that come when it is full are dropped and counted. Default 1,000. */
  readonly capacity?: number;
  /** Of events that differ in their note alone, so many are told one by one; the rest are counted as one. Default 10. */
  readonly similarLimit?: number;
  /** The same event again within this time counts up the first one. Default 6 minutes. */
  readonly seriesWindowMs?: number;
  /** A series is written at most so often. Default 10 s. */
  readonly seriesIntervalMs?: number;
  readonly onError?: (error: unknown, event: KubeEvent) => void;
  /** Wall clock. */
  readonly now?: () => number;
  readonly random?: () => number;
}

interface Series {
  readonly event: KubeEvent;
  /** Key of all that differ in their note alone. */
  readonly group: string;
  readonly name: string;
  readonly namespace: string;
  readonly firstAtMs: number;
  lastAtMs: number;
  count: number;
  writtenCount: number;
  isQueued: boolean;
  timer: NodeJS.Timeout | undefined;
}

const NOTE_LIMIT = 1024;
const COMBINED = "more of these, each with other details";
const MAX_ATTEMPTS = 5;

export class EventRecorder {
  readonly #options: Required<Omit<EventRecorderOptions, "onError">> & Pick<EventRecorderOptions, "onError">;
  readonly #series = new Map<string, Series>();
  /** How many series there are of each group. */
  readonly #groups = new Map<string, number>();
  readonly #queue: Series[] = [];
  readonly #stopped = new AbortController();
  #writing: Promise<void> | undefined;
  #dropped = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = {
      namespace: "default",
      capacity: 1_000,
      similarLimit: 10,
      seriesWindowMs: 360_000,
      seriesIntervalMs: 10_000,
      now: Date.now,
      random: Math.random,
      ...options,
    };
  }

  /** Events that nobody will read, because the queue was full. */
  get dropped(): number {
    return this.#dropped;
  }

  record(event: KubeEvent): void {
    if (this.#stopped.signal.aborted) return;
    const nowMs = this.#options.now();
    this.#forgetOld(nowMs);
    const exact = this.#series.get(seriesKey(event));
    const group = seriesKey({ ...event, note: "" });
    const isOneOfMany = !exact && (this.#groups.get(group) ?? 0) >= this.#options.similarLimit;
    const told = isOneOfMany ? { ...event, note: COMBINED } : event;
    const key = seriesKey(told);
    const series = exact ?? this.#series.get(key);
    if (series) {
      series.count += 1;
      series.lastAtMs = nowMs;
      this.#queueLater(series);
      return;
    }
    if (this.#queue.length >= this.#options.capacity || this.#series.size >= 4 * this.#options.capacity) {
      this.#dropped += 1;
      return;
    }
    const { metadata } = event.regarding;
    const suffix = `${nowMs.toString(16)}${Math.floor(this.#options.random() * 0x1000000).toString(16)}`;
    const created: Series = {
      event: told,
      group,
      name: `${metadata.name.slice(0, 200)}.${suffix}`,
      namespace: metadata.namespace ?? this.#options.namespace,
      firstAtMs: nowMs,
      lastAtMs: nowMs,
      count: 1,
      writtenCount: 0,
      isQueued: false,
      timer: undefined,
    };
    this.#series.set(key, created);
    this.#groups.set(group, (this.#groups.get(group) ?? 0) + 1);
    this.#enqueue(created);
  }

  /** Resolves when what is queued now has been written or given up. */
  async flush(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  /** Gives what is queued so long to be written, then drops it. */
  async stop(graceMs = 1_000): Promise<void> {
    for (const series of this.#series.values()) {
      clearTimeout(series.timer);
      if (series.count > series.writtenCount) this.#enqueue(series);
    }
    const timer = setTimeout(() => this.#stopped.abort(), graceMs);
    await this.flush();
    clearTimeout(timer);
    this.#stopped.abort();
    this.#series.clear();
    this.#groups.clear();
  }

  #queueLater(series: Series): void {
    if (series.isQueued || series.timer) return;
    series.timer = setTimeout(() => {
      series.timer = undefined;
      this.#enqueue(series);
    }, this.#options.seriesIntervalMs);
    series.timer.unref();
  }

  #enqueue(series: Series): void {
    if (series.isQueued) return;
    series.isQueued = true;
    this.#queue.push(series);
    this.#writing ??= this.#drain().finally(() => {
      this.#writing = undefined;
    });
  }

  async #drain(): Promise<void> {
    for (let series = this.#queue.shift(); series !== undefined; series = this.#queue.shift()) {
      series.isQueued = false;
      await this.#write(series);
    }
  }

  async #write(series: Series): Promise<void> {
    const backoff = new Backoff({ baseMs: 200, maxMs: 5_000, random: this.#options.random });
    const { signal } = this.#stopped;
    for (let attempt = 1; !signal.aborted; attempt++) {
      const { count } = series;
      try {
        await this.#send(series, signal);
        series.writtenCount = count;
        return;
      } catch (error) {
        if (attempt >= MAX_ATTEMPTS || isRefusal(error)) {
          // Never tried again: the next of its kind starts a new one.
          this.#forget(seriesKey(series.event), series);
          this.#options.onError?.(error, series.event);
          return;
        }
        await delay(backoff.next(), signal).catch(() => undefined);
      }
    }
  }

  async #send(series: Series, signal: AbortSignal): Promise<void> {
    const { client, controller, instance } = this.#options;
    const { event, namespace, name, count } = series;
    const body = {
      series: count > 1 ? { count, lastObservedTime: microTime(series.lastAtMs) } : undefined,
    };
    if (series.writtenCount > 0) {
      try {
        await client.patch(
          EVENTS,
          { namespace, name },
          { type: "merge", body },
          { signal, timeoutMs: 10_000 },
        );
        return;
      } catch (error) {
        // Events live for an hour; the series begins anew when its first has gone.
        if (!(error instanceof ApiError && error.isNotFound)) throw error;
      }
    }
    const object: KubeObject & Record<string, unknown> = {
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: { name, namespace },
      eventTime: microTime(series.firstAtMs),
      reportingController: controller,
      reportingInstance: instance.slice(0, 128),
      action: event.action.slice(0, 128),
      reason: event.reason.slice(0, 128),
      regarding: referenceTo(event.regarding),
      related: event.related && referenceTo(event.related),
      note: cut(event.note, NOTE_LIMIT),
      type: event.type,
      ...body,
    };
    try {
      await client.create(EVENTS, object, { signal, timeoutMs: 10_000 });
    } catch (error) {
      // The answer to an earlier attempt was lost.
      if (!(error instanceof ApiError && error.isAlreadyExists)) throw error;
    }
  }

  #forget(key: string, series: Series): void {
    this.#series.delete(key);
    const left = (this.#groups.get(series.group) ?? 1) - 1;
    if (left > 0) this.#groups.set(series.group, left);
    else this.#groups.delete(series.group);
  }

  #forgetOld(nowMs: number): void {
    for (const [key, series] of this.#series) {
      const isOver = nowMs - series.lastAtMs > this.#options.seriesWindowMs;
      if (!isOver || series.isQueued || series.timer) continue;
      this.#forget(key, series);
    }
  }
}

/** Two of these are the same event again. */
function seriesKey({ regarding, related, type, reason, action, note }: KubeEvent): string {
  return JSON.stringify([regarding.metadata.uid, related?.metadata.uid, type, reason, action, note]);
}

/** Another attempt would be answered the same. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof ApiError)) return true;
  return error.status >= 400 && error.status < 500 && error.status !== 429 && error.status !== 401;
}

function referenceTo({ apiVersion, kind, metadata }: Stored): Record<string, unknown> {
  const { name, namespace, uid, resourceVersion } = metadata;
  return { apiVersion, kind, name, namespace, uid, resourceVersion };
}

function cut(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit - 3)}...`;
}

/** metav1.MicroTime is parsed with exactly six digits. */
export function microTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000Z");
}
