import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { delay } from "./deadline.js";
import type { HttpApiClient } from "./http-api-client.js";
import type { Stored } from "./kube-object.js";
import { ObjectCache, type CacheChange } from "./object-cache.js";
import { listAll } from "./paged-list.js";
import { Reflector, type ReflectorOptions } from "./reflector.js";
import { statusBody, type FaultProxy, type SeenRequest } from "./testing/fault-proxy.js";
import {
  CONFIG_MAPS,
  configMap,
  KubeTestServer,
  testServerControl,
  until,
  type ConfigMap,
} from "./testing/kube-test-server.js";

let server: KubeTestServer;
let proxy: FaultProxy;
let client: HttpApiClient;

beforeEach(async () => {
  server = await KubeTestServer.open();
  proxy = await server.proxy();
  client = await server.connect(proxy);
});
afterEach(() => server.close());

interface Followed {
  readonly cache: ObjectCache<ConfigMap>;
  readonly reflector: Reflector<ConfigMap>;
  readonly errors: unknown[];
  readonly changes: CacheChange<ConfigMap>[];
}

/** Follows the namespace's config maps that the tests make (the controller manager adds one of its own). */
function follow(options: Partial<ReflectorOptions<ConfigMap>> = {}): Followed {
  const cache = new ObjectCache<ConfigMap>();
  const errors: unknown[] = [];
  const changes: CacheChange<ConfigMap>[] = [];
  cache.follow((change) => changes.push(change));
  const reflector = new Reflector<ConfigMap>({
    client,
    resource: CONFIG_MAPS,
    namespace: server.namespace,
    fieldSelector: "metadata.name!=kube-root-ca.crt",
    sink: cache,
    onError: (error) => errors.push(error),
    backoff: { baseMs: 50, maxMs: 500 },
    ...options,
  });
  server.onClose(() => reflector.stop());
  reflector.start();
  return { cache, reflector, errors, changes };
}

function make(name: string, data: Record<string, string> = {}): Promise<Stored<ConfigMap>> {
  return server.direct.create(CONFIG_MAPS, configMap(server.namespace, name, data));
}

function remove({ metadata }: Stored<ConfigMap>): Promise<void> {
  return server.direct.delete(CONFIG_MAPS, metadata, { preconditions: { uid: metadata.uid } });
}

function change(object: Stored<ConfigMap>, value: string): Promise<Stored<ConfigMap>> {
  return server.direct.replace(CONFIG_MAPS, { ...object, data: { value } });
}

const isList = (request: SeenRequest): boolean => request.method === "GET" && !request.isWatch;

/** The cache holds exactly what the server has. */
async function expectLikeServer(cache: ObjectCache<ConfigMap>): Promise<void> {
  const { items } = await listAll<ConfigMap>(server.direct, CONFIG_MAPS, {
    namespace: server.namespace,
    fieldSelector: "metadata.name!=kube-root-ca.crt",
  });
  const versions = (objects: Iterable<Stored<ConfigMap>>): string[] =>
    [...objects].map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`).sort();
  await until("the cache is like the server", () => versions(cache.values()).length === items.length);
  expect(versions(cache.values())).toEqual(versions(items));
}

describe("reflector, against an API server", () => {
  test("follows creations, changes and deletions", async () => {
    const before = await make("before");
    const { cache, reflector, changes } = follow();
    await reflector.synced();
    expect(cache.named(before.metadata)?.metadata.uid).toBe(before.metadata.uid);
    const after = await make("after");
    await change(before, "new");
    await until("both are known", () => cache.named(before.metadata)?.data?.["value"] === "new");
    await remove(after);
    await until("one is gone", () => cache.size === 1);
    expect(changes.map(({ type, object }) => `${type} ${object.metadata.name}`)).toEqual([
      "put before",
      "put after",
      "put before",
      "deleted after",
    ]);
  });

  test("a server that is killed and restarted: what happened meanwhile is there, and no request was hammered", async () => {
    const gone = await make("gone");
    const { cache, reflector, errors } = follow();
    await reflector.synced();
    const control = testServerControl();
    if (control) await control("kill", "kube-apiserver");
    await proxy.down();
    await delay(1_500);
    if (control) await control("start", "kube-apiserver");
    // Behind the back of a client that cannot reach the server.
    await until("the server is back", () => server.direct.getText("/readyz").then(isOk, () => false), 60_000);
    await remove(gone);
    await make("new");
    proxy.requests.length = 0;
    await proxy.up();
    await until("the new one is known", () => cache.named({ ...gone.metadata, name: "new" }) !== undefined);
    await expectLikeServer(cache);
    expect(errors.length).toBeGreaterThan(0);
    expect(errors.length).toBeLessThan(40);
  });

  test("a watch that is cut: taken up where it was, nothing lost, nothing told twice, no list", async () => {
    const first = await make("first");
    const { cache, reflector, changes } = follow();
    await reflector.synced();
    await until("it watches", () => proxy.openWatches === 1);
    proxy.requests.length = 0;
    for (let i = 0; i < 5; i++) {
      proxy.reset();
      await make(`more-${i}`);
      // In the middle of an event.
      await until("it watches again", () => proxy.openWatches === 1);
      proxy.sayInWatches('{"type":"MODIFIED","object":{"kind":"Conf');
    }
    proxy.reset();
    await change(first, "last");
    await until("the last change is known", () => cache.named(first.metadata)?.data?.["value"] === "last");
    await expectLikeServer(cache);
    expect(changes.map(({ object }) => object.metadata.resourceVersion)).toHaveLength(7);
    expect(proxy.requests.filter(isList)).toEqual([]);
  });

  test("a watch that the server ends at once, again and again, is not asked for in a loop", async () => {
    const { reflector } = follow();
    await reflector.synced();
    proxy.rule((request) =>
      request.isWatch ? { type: "answer", answer: { status: 200, body: "" } } : undefined,
    );
    proxy.endWatches();
    proxy.requests.length = 0;
    await delay(2_000);
    // 50, 100, 200, 400, 500, 500 ms, each at least half of it.
    expect(proxy.requests.length).toBeLessThan(12);
    expect(proxy.requests.length).toBeGreaterThan(2);
  });

  test("a watch that is silent: given up after the time, and what was missed is there", async () => {
    const { cache, reflector, errors } = follow({ inactivityTimeoutMs: 700 });
    await reflector.synced();
    await until("it watches", () => proxy.openWatches === 1);
    proxy.silenceWatches();
    const missed = await make("missed");
    const beganAtMs = performance.now();
    await until("the missed one is known", () => cache.named(missed.metadata) !== undefined, 5_000);
    expect(performance.now() - beganAtMs).toBeGreaterThan(300);
    expect(errors.map((error) => (error as { reason?: string }).reason)).toContain("Timeout");
  });

  test("410, as an answer and as an event: lists again, and tells of what vanished meanwhile", async () => {
    const vanishing = await make("vanishing");
    const { cache, reflector, changes } = follow();
    await reflector.synced();
    for (const form of ["answer", "event"] as const) {
      await until("it watches", () => proxy.openWatches === 1);
      proxy.requests.length = 0;
      const body = statusBody(410, "Expired", "too old resource version: 1 (2)");
      proxy.times(1, (request) => {
        if (!request.isWatch) return undefined;
        const status = form === "answer" ? 410 : 200;
        const event = `${JSON.stringify({ type: "ERROR", object: body })}\n`;
        return { type: "answer", answer: { status, body: form === "answer" ? body : event } };
      });
      if (form === "answer") await remove(vanishing);
      else await make("appearing");
      proxy.reset();
      await until("it listed", () => proxy.requests.some(isList));
      await expectLikeServer(cache);
    }
    expect(changes.map(({ type, object }) => `${type} ${object.metadata.name}`)).toEqual([
      "put vanishing",
      "deleted vanishing",
      "put appearing",
    ]);
  });

  test("a slow list holds up nobody else, and a reflector that waits for one stops at once", async () => {
    let listsPassed = (): void => undefined;
    const moment = new Promise<void>((resolve) => {
      listsPassed = resolve;
    });
    proxy.times(1, (request) => (isList(request) ? { type: "after", moment } : undefined));
    const slow = follow();
    await until("the slow one asks", () => proxy.requests.some(isList));
    const other = follow();
    await other.reflector.synced();
    expect(slow.reflector.hasSynced).toBe(false);
    const beganAtMs = performance.now();
    await slow.reflector.stop();
    expect(performance.now() - beganAtMs).toBeLessThan(500);
    listsPassed();
    await make("later");
    await until("the other knows it", () => other.cache.size === 1);
    expect(slow.cache.size).toBe(0);
  });

  test("a list that never answers is asked for again", async () => {
    await make("one");
    proxy.times(1, (request) => (isList(request) ? { type: "swallow" } : undefined));
    const { reflector, errors } = follow({ listTimeoutMs: 500 });
    await reflector.synced();
    expect(errors).toHaveLength(1);
  });

  test("a paged list that changes meanwhile is of one moment, and the watch brings the rest", async () => {
    const objects: Stored<ConfigMap>[] = [];
    for (let i = 0; i < 25; i++) objects.push(await make(`object-${String(i).padStart(2, "0")}`));
    proxy.times(1, (request) => {
      if (!isList(request) || !request.query.has("continue")) return undefined;
      // One that the first page showed, one that a later page would, and a new one between them.
      const moment = Promise.all([remove(objects[0]!), remove(objects[24]!), make("object-005")]);
      return { type: "after", moment };
    });
    const { cache, reflector } = follow({ pageSize: 10 });
    await reflector.synced();
    await until("the watch caught up", () => cache.size === 24);
    await expectLikeServer(cache);
  });

  test("a paged list whose later pages have expired begins again, at last in one piece", async () => {
    for (let i = 0; i < 25; i++) await make(`object-${i}`);
    proxy.rule((request) =>
      isList(request) && request.query.has("continue")
        ? { type: "answer", answer: { status: 410, body: statusBody(410, "Expired", "continue is too old") } }
        : undefined,
    );
    const { cache, reflector, errors } = follow({ pageSize: 10 });
    await reflector.synced();
    expect(cache.size).toBe(25);
    expect(errors).toEqual([]);
    expect(proxy.requests.filter(isList)).toHaveLength(7);
  });

  test("a handler that throws holds up neither the others nor later changes", async () => {
    const failures: unknown[] = [];
    const cache = new ObjectCache<ConfigMap>({ onHandlerError: (error) => failures.push(error) });
    cache.follow(({ object }) => {
      if (object.metadata.name === "poison") throw new Error("cannot take this");
    });
    const names: string[] = [];
    cache.follow(({ object }) => names.push(object.metadata.name));
    const { reflector, errors } = follow({ sink: cache });
    await reflector.synced();
    await make("poison");
    await make("wholesome");
    await until("both are known", () => cache.size === 2);
    expect(names).toEqual(["poison", "wholesome"]);
    expect(failures).toEqual([new Error("cannot take this")]);
    expect(errors).toEqual([]);
    expect(proxy.requests.filter(isList)).toHaveLength(1);
  });

  test("stop ends it for good, and a second start is none", async () => {
    const { cache, reflector, errors } = follow();
    reflector.start();
    await reflector.synced();
    await until("it watches", () => proxy.openWatches === 1);
    reflector.start();
    await delay(200);
    expect(proxy.openWatches).toBe(1);
    expect(proxy.requests.filter(({ isWatch }) => isWatch)).toHaveLength(1);
    await reflector.stop();
    await until("the watch is closed", () => proxy.openWatches === 0);
    proxy.requests.length = 0;
    await make("unseen");
    await delay(700);
    expect(proxy.requests).toEqual([]);
    expect(cache.size).toBe(0);
    expect(errors).toEqual([]);
  });

  test("5,000 objects: listed by pages without stopping the event loop for long, and followed after a cut", async () => {
    const count = 5_000;
    const payload = "x".repeat(500);
    let next = 0;
    const work = async (): Promise<void> => {
      for (let i = next++; i < count; i = next++) await make(`object-${i}`, { payload });
    };
    await Promise.all(Array.from({ length: 32 }, work));
    let lastTickMs = performance.now();
    let longestStallMs = 0;
    const ticker = setInterval(() => {
      longestStallMs = Math.max(longestStallMs, performance.now() - lastTickMs);
      lastTickMs = performance.now();
    }, 5);
    const { cache, reflector } = follow();
    await reflector.synced();
    clearInterval(ticker);
    expect(cache.size).toBe(count);
    expect(proxy.requests.filter(isList)).toHaveLength(10);
    // A tenth of what would cost the lease if the election ran on this thread.
    expect(longestStallMs).toBeLessThan(300);
    await until("it watches", () => proxy.openWatches === 1);
    proxy.reset();
    const object = cache.named({ namespace: server.namespace, name: "object-4999" })!;
    await change(object, "changed");
    await until("the change is known", () => cache.named(object.metadata)?.data?.["value"] === "changed");
    expect(proxy.requests.filter(isList)).toHaveLength(10);
  });
});

function isOk(text: string): boolean {
  return text === "ok";
}
