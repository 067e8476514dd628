import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ApiClient, WatchEvent } from "./api-client.js";
import { ApiError } from "./api-error.js";
import { delay } from "./deadline.js";
import type { KubeObject, Stored } from "./kube-object.js";
import { LeaseContender, type LeaseObject } from "./lease-contender.js";

/** Linear congruential generator (Numerical Recipes), for schedules that can be played again. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** One lease, as the API server keeps it. */
class LeaseServer {
  lease: Stored<LeaseObject> | undefined;
  version = 1;
  readonly watchers = new Set<(event: WatchEvent<LeaseObject>) => void>();

  put(object: LeaseObject): Stored<LeaseObject> {
    const { uid, resourceVersion } = object.metadata;
    if (this.lease && uid !== this.lease.metadata.uid) throw refusal("AlreadyExists");
    if (this.lease && resourceVersion !== this.lease.metadata.resourceVersion) throw refusal("Conflict");
    this.version += 1;
    const metadata = {
      ...object.metadata,
      uid: "u",
      resourceVersion: String(this.version),
      creationTimestamp: "",
    };
    const stored = { ...object, metadata };
    this.lease = stored;
    for (const tell of this.watchers) tell({ type: "MODIFIED", object: stored });
    return stored;
  }
}

function refusal(reason: string): ApiError {
  return new ApiError({ status: 409, reason, message: reason });
}

interface Way {
  readonly client: Pick<ApiClient, "get" | "create" | "replace" | "watch">;
  /** Nothing passes. */
  isCut: boolean;
  /** Requests arrive and their answers do not. */
  losesAnswers: boolean;
}

function wayTo(server: LeaseServer, random: () => number, maxLatencyMs: number): Way {
  const way: Way = {
    isCut: false,
    losesAnswers: false,
    client: {
      get: ((_: unknown, __: unknown, options: Options) => send(() => server.lease, options)) as never,
      create: ((_: unknown, object: LeaseObject, options: Options) =>
        send(() => server.put(object), options)) as never,
      replace: ((_: unknown, object: LeaseObject, options: Options) =>
        send(() => server.put(object), options)) as never,
      watch: ((_: unknown, { signal }: { signal: AbortSignal }) => follow(signal)) as never,
    },
  };
  interface Options {
    readonly signal?: AbortSignal;
    readonly timeoutMs: number;
  }
  async function send<T>(act: () => T, { signal, timeoutMs }: Options): Promise<T> {
    const timedOut = new ApiError({ status: 0, reason: "Timeout", message: "no answer" });
    const answer = (async (): Promise<T> => {
      await delay(random() * maxLatencyMs);
      if (way.isCut) return new Promise<T>(() => undefined);
      const result = act();
      await delay(random() * maxLatencyMs);
      return way.isCut || way.losesAnswers ? new Promise<T>(() => undefined) : result;
    })();
    return Promise.race([
      answer,
      delay(timeoutMs, signal).then(() => {
        throw timedOut;
      }),
    ]);
  }
  async function* follow(signal: AbortSignal): AsyncGenerator<WatchEvent<LeaseObject>> {
    let events: WatchEvent<LeaseObject>[] = [];
    let wake = (): void => undefined;
    const tell = (event: WatchEvent<LeaseObject>): void => {
      if (!way.isCut) events.push(event);
      wake();
    };
    server.watchers.add(tell);
    signal.addEventListener("abort", () => wake(), { once: true });
    try {
      for (;;) {
        const batch = events;
        events = [];
        for (const event of batch) yield event;
        if (events.length === 0 && !signal.aborted)
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        signal.throwIfAborted();
      }
    } finally {
      server.watchers.delete(tell);
    }
  }
  return way;
}

interface Contender {
  readonly way: Way;
  readonly stop: () => Promise<void>;
  untilMs: number;
  readonly lost: string[];
}

function contend(
  server: LeaseServer,
  identity: string,
  random: () => number,
  maxLatencyMs = 50,
  mayLead = (): boolean => true,
): Contender {
  const way = wayTo(server, random, maxLatencyMs);
  const controller = new AbortController();
  const contender: Contender = {
    way,
    untilMs: -Infinity,
    lost: [],
    stop: async () => {
      controller.abort(new Error("stopped"));
      await done;
    },
  };
  const done = new LeaseContender({
    client: way.client,
    namespace: "x",
    name: "leader",
    identity,
    leaseDurationMs: 4_500,
    renewDeadlineMs: 3_000,
    retryPeriodMs: 1_000,
    mayLead,
    onLeading: (untilMs) => {
      contender.untilMs = untilMs;
    },
    onLost: (reason) => {
      contender.untilMs = -Infinity;
      contender.lost.push(reason);
    },
  }).run(controller.signal);
  return contender;
}

const leads = ({ untilMs }: Contender): boolean => performance.now() < untilMs;

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe("lease contender", () => {
  test("never do two lead, and the lease is never without a leader for long, whatever is cut and lost", async () => {
    for (let seed = 1; seed <= 15; seed++) {
      const random = seeded(seed);
      const server = new LeaseServer();
      const contenders = ["a", "b", "c"].map((name) => contend(server, name, random, 400));
      let leaderlessMs = 0;
      for (let ms = 0; ms < 120_000; ms += 50) {
        await vi.advanceTimersByTimeAsync(50);
        if (ms % 5_000 === 0)
          for (const { way } of contenders) {
            way.isCut = random() < 0.2;
            way.losesAnswers = random() < 0.2;
          }
        const leaders = contenders.filter(leads);
        expect(leaders.length, `seed ${seed} at ${ms} ms`).toBeLessThan(2);
        const isPossible = contenders.some(({ way }) => !way.isCut && !way.losesAnswers);
        leaderlessMs = leaders.length > 0 || !isPossible ? 0 : leaderlessMs + 50;
        // One that takes it and never hears so keeps the others waiting for a whole lease, and may do so again.
        expect(leaderlessMs, `seed ${seed} at ${ms} ms`).toBeLessThan(20_000);
      }
      await settle(contenders);
    }
  });

  test("another leads 4.5 s after the last renewal of one that is cut off", async () => {
    const server = new LeaseServer();
    const first = contend(server, "first", Math.random);
    await vi.advanceTimersByTimeAsync(500);
    expect(leads(first)).toBe(true);
    const second = contend(server, "second", Math.random);
    await vi.advanceTimersByTimeAsync(2_000);
    first.way.isCut = true;
    let ms = 0;
    for (; !leads(second) && ms < 10_000; ms += 10) await vi.advanceTimersByTimeAsync(10);
    expect(ms).toBeLessThan(5_000);
    expect(first.lost).toEqual(["the API server did not confirm the lease in time"]);
    await settle([first, second]);
  });

  test("a lease given back is taken at once, and the giver does not lead any more before it gives", async () => {
    const server = new LeaseServer();
    const first = contend(server, "first", Math.random);
    await vi.advanceTimersByTimeAsync(500);
    const second = contend(server, "second", Math.random);
    await vi.advanceTimersByTimeAsync(2_000);
    const stopped = first.stop();
    await vi.advanceTimersByTimeAsync(0);
    expect(leads(first)).toBe(false);
    await vi.advanceTimersByTimeAsync(400);
    await stopped;
    expect(leads(second)).toBe(true);
    expect(server.lease?.spec).toMatchObject({ holderIdentity: "second", leaseTransitions: 1 });
    await settle([second]);
  });

  test("a process that hangs loses the lease, and takes none until it moves again", async () => {
    const server = new LeaseServer();
    let hangs = false;
    const first = contend(server, "first", Math.random, 50, () => !hangs);
    await vi.advanceTimersByTimeAsync(1_500);
    hangs = true;
    await vi.advanceTimersByTimeAsync(3_000);
    for (let ms = 0; ms < 20_000; ms += 100) {
      await vi.advanceTimersByTimeAsync(100);
      expect(leads(first)).toBe(false);
    }
    hangs = false;
    await vi.advanceTimersByTimeAsync(6_000);
    expect(leads(first)).toBe(true);
    await settle([first]);
  });

  test("a lease from a process that died long ago is waited out, whatever its timestamps say", async () => {
    const server = new LeaseServer();
    const longAgo = "2001-01-01T00:00:00.000000Z";
    const spec = {
      holderIdentity: "dead",
      leaseDurationSeconds: 5,
      renewTime: longAgo,
      acquireTime: longAgo,
    };
    const object: KubeObject & { spec: object } = {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { namespace: "x", name: "leader" },
      spec,
    };
    server.put(object);
    const second = contend(server, "second", Math.random);
    await vi.advanceTimersByTimeAsync(4_400);
    expect(leads(second)).toBe(false);
    await vi.advanceTimersByTimeAsync(400);
    expect(leads(second)).toBe(true);
    await settle([second]);
  });
});

async function settle(contenders: readonly Contender[]): Promise<void> {
  const stopped = Promise.all(contenders.map(({ stop }) => stop()));
  await vi.advanceTimersByTimeAsync(5_000);
  await stopped;
}
