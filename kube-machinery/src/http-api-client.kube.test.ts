import { chmod, readFile, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { preconditionsOf } from "./api-client.js";
import { ApiError } from "./api-error.js";
import { EventRecorder, EVENTS } from "./event-recorder.js";
import { Expectations } from "./expectations.js";
import type { HttpApiClient } from "./http-api-client.js";
import { KubeConfig } from "./kube-config.js";
import type { KubeObject, Stored } from "./kube-object.js";
import { ObjectCache } from "./object-cache.js";
import { Reflector } from "./reflector.js";
import type { Resource } from "./resource.js";
import { statusBody, type FaultProxy } from "./testing/fault-proxy.js";
import { CONFIG_MAPS, configMap, KubeTestServer, until, type ConfigMap } from "./testing/kube-test-server.js";
import { WorkQueue } from "./work-queue.js";

const PODS: Resource = { group: "", version: "v1", kind: "Pod", plural: "pods", namespaced: true };
const BUDGETS: Resource = {
  group: "policy",
  version: "v1",
  kind: "PodDisruptionBudget",
  plural: "poddisruptionbudgets",
  namespaced: true,
};

let server: KubeTestServer;
let proxy: FaultProxy;
let client: HttpApiClient;

beforeEach(async () => {
  server = await KubeTestServer.open();
  proxy = await server.proxy();
  client = await server.connect(proxy);
});
afterEach(() => server.close());

function make(name: string, data: Record<string, string> = {}): Promise<Stored<ConfigMap>> {
  return server.direct.create(CONFIG_MAPS, configMap(server.namespace, name, data));
}

async function failureOf(promise: Promise<unknown>): Promise<ApiError> {
  const error = await promise.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
}

describe("API client, against an API server", () => {
  test("every request does what it says", async () => {
    const name = { namespace: server.namespace, name: "one" };
    expect(await client.get(CONFIG_MAPS, name)).toBeUndefined();
    for (const group of ["", "nobody.example.com"]) {
      const unknown = { group, version: "v1", kind: "Thing", plural: "things", namespaced: true };
      expect((await failureOf(client.get(unknown, name))).isNotFound).toBe(true);
    }
    const created = await client.create(CONFIG_MAPS, configMap(server.namespace, "one", { a: "1" }));
    const twice = await failureOf(client.create(CONFIG_MAPS, configMap(server.namespace, "one")));
    expect([twice.isAlreadyExists, twice.isConflict]).toEqual([true, false]);
    const replaced = await client.replace(CONFIG_MAPS, { ...created, data: { a: "2" } });
    const stale = await failureOf(client.replace(CONFIG_MAPS, { ...created, data: { a: "3" } }));
    expect([stale.isConflict, stale.status, stale.reason]).toEqual([true, 409, "Conflict"]);
    const patched = await client.patch<ConfigMap>(CONFIG_MAPS, name, {
      type: "merge",
      body: { data: { b: "1" } },
    });
    expect(patched.data).toEqual({ a: "2", b: "1" });
    const tested = client.patch(CONFIG_MAPS, name, {
      type: "json",
      operations: [{ op: "test", path: "/data/b", value: "2" }],
    });
    expect((await failureOf(tested)).status).toBe(422);
    expect((await client.list<ConfigMap>(CONFIG_MAPS, { namespace: server.namespace })).items).toContainEqual(
      patched,
    );
    expect(replaced.metadata.uid).toBe(created.metadata.uid);
    expect(await client.getText("/readyz")).toBe("ok");
  });

  test("server-side apply owns what it names, gives up what it no longer names, and leaves the rest", async () => {
    const apply = (
      data: Record<string, string>,
      fieldManager: string,
      force = false,
    ): Promise<Stored<ConfigMap>> =>
      client.apply(CONFIG_MAPS, configMap(server.namespace, "one", data), { fieldManager, force });
    await apply({ mine: "1", old: "1" }, "me");
    await apply({ theirs: "1" }, "they");
    expect((await apply({ mine: "2" }, "me")).data).toEqual({ mine: "2", theirs: "1" });
    const conflict = await failureOf(apply({ mine: "3" }, "they"));
    expect([conflict.isConflict, conflict.causes]).toEqual([true, ["FieldManagerConflict"]]);
    expect((await apply({ mine: "3" }, "they", true)).data).toEqual({ mine: "3" });
  });

  test("the status subresource is written apart", async () => {
    const budget = await client.create(BUDGETS, {
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: { namespace: server.namespace, name: "budget" },
      spec: { maxUnavailable: 1, selector: { matchLabels: { app: "none" } } },
    } as KubeObject);
    type Read = Stored<KubeObject & { spec: { maxUnavailable: number }; status: { expectedPods: number } }>;
    // Its controller writes to it as well.
    const { metadata: _, ...meta } = budget;
    const status = { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 7 };
    const applied = {
      ...meta,
      metadata: { namespace: server.namespace, name: "budget" },
      spec: { maxUnavailable: 5 },
      status,
    };
    const answered = (await client.applyStatus<KubeObject>(BUDGETS, applied, {
      fieldManager: "me",
      force: true,
    })) as Read;
    expect([answered.spec.maxUnavailable, answered.status.expectedPods]).toEqual([1, 7]);
    const present = (await client.get<Read>(BUDGETS, answered.metadata))!;
    const replaced = (await client.replaceStatus(BUDGETS, {
      ...present,
      spec: { ...present.spec, maxUnavailable: 5 },
    })) as Read;
    expect(replaced.spec.maxUnavailable).toBe(1);
  });

  test("a deletion happens to the object that was decided on, as it was then, or not at all", async () => {
    const first = await make("one");
    const changed = await client.replace(CONFIG_MAPS, { ...first, data: { a: "1" } });
    const wasChanged = await failureOf(
      client.delete(CONFIG_MAPS, first.metadata, { preconditions: preconditionsOf(first) }),
    );
    expect(wasChanged.isConflict).toBe(true);
    await client.delete(CONFIG_MAPS, changed.metadata, { preconditions: preconditionsOf(changed) });
    const second = await make("one");
    const isAnother = await failureOf(
      client.delete(CONFIG_MAPS, first.metadata, { preconditions: { uid: first.metadata.uid } }),
    );
    expect(isAnother.isConflict).toBe(true);
    expect(await client.get(CONFIG_MAPS, second.metadata)).toEqual(second);
  });

  test("an eviction that the budget does not allow is refused at once, with the reason", async () => {
    const labels = { app: "guarded" };
    await client.create(BUDGETS, {
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: { namespace: server.namespace, name: "guard" },
      spec: { maxUnavailable: 0, selector: { matchLabels: labels } },
    } as KubeObject);
    const pod = await client.create(PODS, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace: server.namespace, name: "pod", labels },
      spec: { nodeName: "nowhere", containers: [{ name: "c", image: "none" }] },
    } as KubeObject);
    const ready = { type: "Ready", status: "True" };
    await client.replaceStatus(PODS, { ...pod, status: { phase: "Running", conditions: [ready] } });
    await until("the budget is known", async () => {
      const budget = await client.get<KubeObject & { status?: { expectedPods?: number } }>(BUDGETS, {
        namespace: server.namespace,
        name: "guard",
      });
      return budget?.status?.expectedPods !== undefined;
    });
    proxy.requests.length = 0;
    const name = { namespace: server.namespace, name: "pod" };
    const refused = await failureOf(client.evict(name, { preconditions: { uid: pod.metadata.uid } }));
    expect([refused.status, refused.causes]).toEqual([429, ["DisruptionBudget"]]);
    expect(proxy.requests).toHaveLength(1);
    // The pod's node will never say that it has stopped.
    await client.delete(PODS, name, { preconditions: { uid: pod.metadata.uid }, gracePeriodSeconds: 0 });
  });

  test("429 with Retry-After: waited out, not hammered, and given up when the time does not allow it", async () => {
    const busy = {
      status: 429,
      headers: { "retry-after": "1" },
      body: statusBody(429, "TooManyRequests", "busy"),
    };
    proxy.times(2, () => ({ type: "answer", answer: busy }));
    const beganAtMs = performance.now();
    await client.create(CONFIG_MAPS, configMap(server.namespace, "one"));
    expect(performance.now() - beganAtMs).toBeGreaterThan(2_000);
    expect(proxy.requests).toHaveLength(3);
    proxy.times(1, () => ({ type: "answer", answer: busy }));
    const refused = await failureOf(client.list(CONFIG_MAPS, { timeoutMs: 500 }));
    expect([refused.status, refused.retryAfterMs]).toEqual([429, 1_000]);
  });

  test("a request that nobody answers ends in time; one whose answer is lost says that it may have happened", async () => {
    proxy.times(1, () => ({ type: "swallow" }));
    const silent = await failureOf(client.list(CONFIG_MAPS, { timeoutMs: 300 }));
    expect([silent.isUnanswered, silent.reason]).toEqual([true, "Timeout"]);
    proxy.times(1, ({ method }) => (method === "POST" ? { type: "loseAnswer" } : undefined));
    const lost = await failureOf(client.create(CONFIG_MAPS, configMap(server.namespace, "one")));
    expect([lost.isUnanswered, lost.reason]).toEqual([true, "Unreachable"]);
    expect(await client.get(CONFIG_MAPS, { namespace: server.namespace, name: "one" })).toBeDefined();
  });

  test("after a request that nobody answered the next one does not try its luck on an old connection", async () => {
    await Promise.all(Array.from({ length: 5 }, () => client.list(CONFIG_MAPS)));
    const old = new Set(proxy.requests.map(({ connection }) => connection));
    // As a machine in between that forgot these connections.
    proxy.rule(({ connection }) => (old.has(connection) ? { type: "swallow" } : undefined));
    expect((await failureOf(client.list(CONFIG_MAPS, { timeoutMs: 300 }))).reason).toBe("Timeout");
    await client.list(CONFIG_MAPS, { timeoutMs: 2_000 });
    expect(old.size).toBe(5);
    expect(proxy.requests).toHaveLength(7);
  });

  test("a connection that ends in the moment that it is used again costs a read nothing", async () => {
    await client.list(CONFIG_MAPS);
    proxy.times(1, () => ({ type: "reset" }));
    await client.list(CONFIG_MAPS);
    expect(proxy.requests).toHaveLength(3);
    // A write may have been carried out: whoever made it must look.
    proxy.times(1, () => ({ type: "reset" }));
    const write = client.create(CONFIG_MAPS, configMap(server.namespace, "one"));
    expect((await failureOf(write)).isUnanswered).toBe(true);
    expect(proxy.requests).toHaveLength(4);
  });

  test("a 409 storm: every write is made on what is there, later and later, until it succeeds", async () => {
    const object = await make("one", { count: "0" });
    let rivals = 6;
    proxy.rule(({ method }) => {
      if (method !== "PUT" || rivals === 0) return undefined;
      rivals -= 1;
      // Somebody else's write lands just before.
      const body = { data: { rival: String(rivals) } };
      const moment = server.direct.patch(CONFIG_MAPS, object.metadata, { type: "merge", body });
      return { type: "after", moment };
    });
    const failures: unknown[] = [];
    let isDone = false;
    const queue = new WorkQueue({
      retryBaseMs: 20,
      onError: (_, error) => failures.push(error),
      work: async () => {
        const present = await client.get<ConfigMap>(CONFIG_MAPS, object.metadata);
        await client.replace(CONFIG_MAPS, { ...present!, data: { ...present!.data, count: "1" } });
        isDone = true;
        return { againInMs: undefined };
      },
    });
    server.onClose(() => queue.stop());
    const beganAtMs = performance.now();
    queue.start();
    queue.add("one");
    await until("it is written", () => isDone);
    // 20 + 40 + 80 + 160 + 320 + 640
    expect(performance.now() - beganAtMs).toBeGreaterThan(1_200);
    expect(failures.map((error) => (error as ApiError).isConflict)).toEqual(Array(6).fill(true));
    const last = await server.direct.get<ConfigMap>(CONFIG_MAPS, object.metadata);
    expect(last?.data).toEqual({ count: "1", rival: "0" });
  });
});

describe("expired credentials", () => {
  let accepted = "token-1";
  beforeEach(() => {
    accepted = "token-1";
    proxy.rule(({ headers }) =>
      headers.authorization === `Bearer ${accepted}`
        ? undefined
        : { type: "answer", answer: { status: 401, body: statusBody(401, "Unauthorized", "Unauthorized") } },
    );
  });

  test("a token file that was replaced is read again by requests and watches, and nobody is told", async () => {
    const tokenFile = server.file("token");
    await writeFile(tokenFile, "token-1\n");
    const config = new KubeConfig({ KUBECONFIG: await server.kubeconfig(proxy, { tokenFile }) });
    const errors: unknown[] = [];
    const cache = new ObjectCache<ConfigMap>();
    const mine = server.client(config);
    const reflector = new Reflector<ConfigMap>({
      client: mine,
      resource: CONFIG_MAPS,
      namespace: server.namespace,
      sink: cache,
      onError: (error) => errors.push(error),
    });
    server.onClose(() => reflector.stop());
    reflector.start();
    await reflector.synced();
    await until("it watches", () => proxy.openWatches === 1);
    await writeFile(tokenFile, "token-2\n");
    accepted = "token-2";
    await mine.list(CONFIG_MAPS);
    proxy.reset();
    const object = await make("later");
    await until("the watch goes on", () => cache.named(object.metadata) !== undefined);
    expect(errors.filter((error) => (error as ApiError).status === 401)).toEqual([]);
  });

  test("a plugin's token that the server no longer takes is asked for again before its time", async () => {
    const plugin = server.file("plugin.sh");
    const tokenFile = server.file("token");
    await writeFile(tokenFile, "token-1");
    const credential = `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"'"$(cat ${tokenFile})"'"}}`;
    const runs = server.file("runs");
    await writeFile(plugin, `#!/bin/sh\necho run >>${runs}\necho '${credential}'\n`);
    await chmod(plugin, 0o700);
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command: plugin, interactiveMode: "Never" };
    const kubeconfig = await server.kubeconfig(proxy, { exec });
    const mine = server.client(new KubeConfig({ KUBECONFIG: kubeconfig }, { maxAgeMs: 0 }));
    for (let i = 0; i < 3; i++) await mine.list(CONFIG_MAPS);
    await writeFile(tokenFile, "token-2");
    accepted = "token-2";
    await Promise.all(Array.from({ length: 10 }, () => mine.list(CONFIG_MAPS)));
    // Once at first, and once for all ten that were refused.
    expect(await readFile(runs, "utf8")).toBe("run\nrun\n");
  });

  test("credentials that stay refused are an error after two requests, not a loop", async () => {
    const mine = server.client(
      new KubeConfig({ KUBECONFIG: await server.kubeconfig(proxy, { token: "wrong" }) }),
    );
    expect((await failureOf(mine.list(CONFIG_MAPS))).status).toBe(401);
    expect(proxy.requests).toHaveLength(2);
  });
});

describe("a cache that lags behind the controller's own writes", () => {
  test("nothing is created twice, however often the controller looks", async () => {
    const wanted = 3;
    const cache = new ObjectCache<ConfigMap>();
    const expectations = new Expectations(cache);
    const labelSelector = "owner=test";
    const options = {
      client,
      resource: CONFIG_MAPS,
      namespace: server.namespace,
      labelSelector,
      sink: cache,
    };
    const reflector = new Reflector<ConfigMap>(options);
    server.onClose(() => reflector.stop());
    reflector.start();
    await reflector.synced();
    const release = proxy.holdWatches();
    const metadata = {
      namespace: server.namespace,
      name: "",
      generateName: "child-",
      labels: { owner: "test" },
    };
    for (let look = 0; look < 5; look++) {
      if (expectations.outlook("parent") !== "seen") continue;
      for (let i = cache.size; i < wanted; i++)
        expectations.written("parent", await client.create(CONFIG_MAPS, { ...configMap("", ""), metadata }));
    }
    release();
    const { items } = await server.direct.list(CONFIG_MAPS, { namespace: server.namespace, labelSelector });
    expect(items).toHaveLength(wanted);
    await until("the cache has caught up", () => expectations.outlook("parent") === "seen");
    expect(cache.size).toBe(wanted);
  });

  test("an answer that the cache was told of is there at once, and a late event does not undo it", async () => {
    const cache = new ObjectCache<ConfigMap>();
    const seen: string[] = [];
    cache.follow(({ type, object }) => seen.push(`${type} ${object.data?.["value"] ?? ""}`));
    const fieldSelector = "metadata.name!=kube-root-ca.crt";
    const options = {
      client,
      resource: CONFIG_MAPS,
      namespace: server.namespace,
      fieldSelector,
      sink: cache,
    };
    const reflector = new Reflector<ConfigMap>(options);
    server.onClose(() => reflector.stop());
    reflector.start();
    await reflector.synced();
    const release = proxy.holdWatches();
    const created = cache.heard(
      await client.create(CONFIG_MAPS, configMap(server.namespace, "one", { value: "1" })),
    );
    const changed = cache.heard(await client.replace(CONFIG_MAPS, { ...created, data: { value: "2" } }));
    await client.delete(CONFIG_MAPS, changed.metadata, { preconditions: preconditionsOf(changed) });
    cache.heardGone(changed);
    const kept = cache.heard(
      await client.create(CONFIG_MAPS, configMap(server.namespace, "two", { value: "4" })),
    );
    cache.heard(await client.replace(CONFIG_MAPS, { ...kept, data: { value: "5" } }));
    const again = await server.direct.create(CONFIG_MAPS, configMap(server.namespace, "one", { value: "3" }));
    release();
    await until(
      "the new one is known",
      () => cache.named(again.metadata)?.metadata.uid === again.metadata.uid,
    );
    expect(seen).toEqual(["put 1", "put 2", "deleted 2", "put 4", "put 5", "put 3"]);
  });
});

describe("event recorder, against an API server", () => {
  test("the same event again counts up the first one, and people find it at its object", async () => {
    const object = await make("one");
    const recorder = new EventRecorder({
      client,
      controller: "example.com/operator",
      instance: "operator-0",
      seriesIntervalMs: 100,
    });
    server.onClose(() => recorder.stop());
    const event = {
      regarding: object,
      type: "Warning" as const,
      reason: "TooSmall",
      action: "Growing",
      note: "n".repeat(2_000),
    };
    for (let i = 0; i < 5; i++) recorder.record(event);
    recorder.record({ ...event, note: "another" });
    type Read = KubeObject & { series?: { count: number }; note: string; regarding: { uid: string } };
    let events: readonly Stored<Read>[] = [];
    await until("they are written", async () => {
      events = (await server.direct.list<Read>(EVENTS, { namespace: server.namespace })).items;
      return events.length === 2 && events.some(({ series }) => series?.count === 5);
    });
    expect(events.map(({ regarding }) => regarding.uid)).toEqual([object.metadata.uid, object.metadata.uid]);
    expect(new Set(events.map(({ note }) => note.length))).toEqual(new Set([1_024, 7]));
  });
});
