/**
 * One who wants the lease (coordination.k8s.io/v1), holds it while the server confirms it, and waits
 * while another does. The rules are those of Kubernetes' client-go leaderelection, except that a waiting
 * one watches the lease and so knows to the millisecond when the holder was last heard of.
 *
 * Clocks: nobody's timestamps are compared. The holder acts until `renewDeadlineMs` after it *began* its
 * last confirmed renewal; another takes over `leaseDurationMs` after it *saw* the lease change. The
 * server had the renewal between the two, so they never act at once while the difference is greater than
 * zero and monotonic clocks run at the same speed. Taking over is a compare-and-swap: one who saw nothing
 * because its watch was stuck is refused.
 */
import type { ApiClient } from "./api-client.js";
import { ApiError } from "./api-error.js";
import { delay } from "./deadline.js";
import { microTime } from "./event-recorder.js";
import type { KubeObject, Stored } from "./kube-object.js";
import type { Resource } from "./resource.js";

export const LEASES: Resource = {
  group: "coordination.k8s.io",
  version: "v1",
  kind: "Lease",
  plural: "leases",
  namespaced: true,
};

export interface LeaseObject extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

export interface LeaseTiming {
  /** Others wait so long after the last renewal that they saw. The object says whole seconds, rounded up. */
  readonly leaseDurationMs: number;
  /** The holder acts so long after it began its last confirmed renewal. Below leaseDurationMs. */
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
}

export interface ContenderOptions extends LeaseTiming {
  readonly client: Pick<ApiClient, "get" | "create" | "replace" | "watch">;
  readonly namespace: string;
  readonly name: string;
  /** Of this process and no other, not even of one before in the same pod. */
  readonly identity: string;
  /** Leading until this moment of `now`; called again with every renewal. */
  readonly onLeading: (untilMs: number) => void;
  readonly onLost: (reason: string) => void;
  readonly onHolder?: (identity: string) => void;
  readonly onError?: (error: unknown) => void;
  /** False when the process does nothing any more: its lease is left to run out, and it takes no other. */
  readonly mayLead?: () => boolean;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  /** For the timestamps that people read in the object. */
  readonly wallNow?: () => number;
}

interface Seen {
  readonly lease: Stored<LeaseObject>;
  readonly atMs: number;
}

export class LeaseContender {
  readonly #options: ContenderOptions;
  readonly #now: () => number;
  readonly #wallNow: () => number;
  #seen: Seen | undefined;
  /** Set while leading. */
  #untilMs: number | undefined;

  constructor(options: ContenderOptions) {
    this.#options = options;
    this.#now = options.now ?? ((): number => performance.now());
    this.#wallNow = options.wallNow ?? Date.now;
    const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = options;
    if (!(leaseDurationMs > renewDeadlineMs && renewDeadlineMs > retryPeriodMs))
      throw new TypeError("leaseDurationMs must be above renewDeadlineMs, and that above retryPeriodMs");
  }

  /** Until the signal aborts; then the lease is given back if it was held. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#untilMs === undefined) await this.#contend(signal);
        else await this.#lead(this.#untilMs, signal);
      } catch (error) {
        if (signal.aborted) break;
        this.#options.onError?.(error);
        if (this.#untilMs === undefined) await this.#pause(signal);
      }
    }
    await this.#release();
  }

  async #contend(signal: AbortSignal): Promise<void> {
    if (this.#options.mayLead?.() === false) return this.#pause(signal);
    const lease = await this.#read(signal);
    if (lease === undefined) return this.#take(undefined, signal);
    const seen = this.#see(lease);
    // Held by this very process: the answer to an earlier request was lost.
    if (["", this.#options.identity].includes(holderOf(lease))) return this.#take(lease, signal);
    if (this.#leftMs(seen) <= 0) return this.#take(lease, signal);
    await this.#watchUntilFree(lease, signal);
  }

  /** Returns when the lease looks free or its time is up. Nothing depends on the watch: it only saves time. */
  async #watchUntilFree(lease: Stored<LeaseObject>, signal: AbortSignal): Promise<void> {
    const { client, namespace, name, retryPeriodMs } = this.#options;
    const over = new AbortController();
    const end = (): void => over.abort(new Error("waited long enough"));
    let timer = setTimeout(end, this.#leftMs(this.#seen!));
    signal.addEventListener("abort", end, { once: true });
    try {
      const events = client.watch<LeaseObject>(LEASES, {
        namespace,
        fieldSelector: `metadata.name=${name}`,
        resourceVersion: lease.metadata.resourceVersion,
        signal: over.signal,
      });
      for await (const event of events) {
        if (event.type === "BOOKMARK") continue;
        const isFree = event.type === "DELETED" || holderOf(event.object) === "";
        if (isFree) return;
        clearTimeout(timer);
        timer = setTimeout(end, this.#leftMs(this.#see(event.object)));
      }
      await delay(retryPeriodMs, over.signal);
    } catch (error) {
      if (over.signal.aborted) return;
      this.#options.onError?.(error);
      await delay(retryPeriodMs, over.signal).catch(() => undefined);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
    }
  }

  #see(lease: Stored<LeaseObject>): Seen {
    if (this.#seen?.lease.metadata.resourceVersion !== lease.metadata.resourceVersion) {
      const holder = holderOf(lease);
      if (holder !== "" && (!this.#seen || holderOf(this.#seen.lease) !== holder))
        this.#options.onHolder?.(holder);
      this.#seen = { lease, atMs: this.#now() };
    }
    return this.#seen;
  }

  #leftMs({ lease, atMs }: Seen): number {
    const { leaseDurationMs } = this.#options;
    const theirSeconds = lease.spec?.leaseDurationSeconds ?? 0;
    // A holder with the same settings says them rounded up; one that asks for more gets it.
    const durationMs = theirSeconds * 1000 - leaseDurationMs < 1000 ? leaseDurationMs : theirSeconds * 1000;
    return atMs + durationMs - this.#now();
  }

  async #take(lease: Stored<LeaseObject> | undefined, signal: AbortSignal): Promise<void> {
    const beganAtMs = this.#now();
    const { client, namespace, name } = this.#options;
    const time = microTime(this.#wallNow());
    const spec = { ...this.#heldSpec(), acquireTime: time, renewTime: time };
    const request = { signal, timeoutMs: this.#options.renewDeadlineMs };
    let taken: Stored<LeaseObject>;
    try {
      taken =
        lease === undefined
          ? await client.create<LeaseObject>(
              LEASES,
              {
                apiVersion: "coordination.k8s.io/v1",
                kind: "Lease",
                metadata: { namespace, name },
                spec: { ...spec, leaseTransitions: 0 },
              },
              request,
            )
          : await client.replace<LeaseObject>(
              LEASES,
              { ...lease, spec: { ...spec, leaseTransitions: this.#transitionsAfter(lease) } },
              request,
            );
    } catch (error) {
      // Somebody was faster.
      if (error instanceof ApiError && (error.isConflict || error.isAlreadyExists)) return;
      throw error;
    }
    this.#confirm(taken, beganAtMs);
  }

  #transitionsAfter(lease: Stored<LeaseObject>): number {
    const before = lease.spec?.leaseTransitions ?? 0;
    return holderOf(lease) === this.#options.identity ? before : before + 1;
  }

  #confirm(lease: Stored<LeaseObject>, beganAtMs: number): void {
    this.#see(lease);
    this.#untilMs = beganAtMs + this.#options.renewDeadlineMs;
    // The answer came too late to act on; the next round says so.
    if (this.#untilMs > this.#now()) this.#options.onLeading(this.#untilMs);
  }

  async #lead(untilMs: number, signal: AbortSignal): Promise<void> {
    const { retryPeriodMs, renewDeadlineMs, mayLead, client } = this.#options;
    const dueAtMs = untilMs - renewDeadlineMs + retryPeriodMs;
    await delay(Math.max(0, Math.min(dueAtMs, untilMs) - this.#now()), signal);
    while (!signal.aborted) {
      const beganAtMs = this.#now();
      if (beganAtMs >= untilMs) return this.#lose("the API server did not confirm the lease in time");
      if (mayLead?.() === false) return this.#lose("the process does not answer its own election");
      const { lease } = this.#seen!;
      const spec = { ...lease.spec, ...this.#heldSpec(), renewTime: microTime(this.#wallNow()) };
      try {
        const request = { signal, timeoutMs: untilMs - beganAtMs };
        const renewed = await client.replace<LeaseObject>(LEASES, { ...lease, spec }, request);
        return this.#confirm(renewed, beganAtMs);
      } catch (error) {
        if (signal.aborted) return;
        const isOther = error instanceof ApiError && (error.isConflict || error.isNotFound);
        if (isOther && !(await this.#isStillHeld(untilMs, signal)))
          return this.#lose("another took the lease");
        if (!isOther) this.#options.onError?.(error);
        await delay(Math.min(retryPeriodMs / 4, Math.max(0, untilMs - this.#now())), signal);
      }
    }
  }

  /** After a conflict: the answer to an earlier renewal was lost, or somebody changed a label. */
  async #isStillHeld(untilMs: number, signal: AbortSignal): Promise<boolean> {
    try {
      const lease = await this.#read(signal, Math.max(1, untilMs - this.#now()));
      if (lease === undefined || holderOf(lease) !== this.#options.identity) return false;
      this.#see(lease);
      return true;
    } catch (error) {
      this.#options.onError?.(error);
      return true;
    }
  }

  #lose(reason: string): void {
    this.#untilMs = undefined;
    this.#options.onLost(reason);
  }

  /** Best effort: without it the others wait for the lease to run out. */
  async #release(): Promise<void> {
    if (this.#untilMs === undefined) return;
    const { client, retryPeriodMs } = this.#options;
    const { lease } = this.#seen!;
    this.#lose("released");
    const spec = { ...lease.spec, holderIdentity: "", renewTime: microTime(this.#wallNow()) };
    try {
      await client.replace<LeaseObject>(LEASES, { ...lease, spec }, { timeoutMs: retryPeriodMs });
    } catch (error) {
      this.#options.onError?.(error);
    }
  }

  #heldSpec(): NonNullable<LeaseObject["spec"]> {
    const { identity, leaseDurationMs } = this.#options;
    return { holderIdentity: identity, leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000) };
  }

  #read(
    signal: AbortSignal,
    timeoutMs = this.#options.renewDeadlineMs,
  ): Promise<Stored<LeaseObject> | undefined> {
    const { client, namespace, name } = this.#options;
    return client.get<LeaseObject>(LEASES, { namespace, name }, { signal, timeoutMs });
  }

  #pause(signal: AbortSignal): Promise<void> {
    return delay(this.#options.retryPeriodMs, signal).catch(() => undefined);
  }
}

function holderOf(lease: Stored<LeaseObject>): string {
  return lease.spec?.holderIdentity ?? "";
}
