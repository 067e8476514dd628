import { setTimeout as delay } from "node:timers/promises";
import type { ClusterSpec } from "@prism/api/cluster";
import type { Reason } from "@prism/api/reason";
import type { StatusResponse } from "@prism/api/status";
import type { ApiClient } from "@prism/kube-machinery/api-client";
import { ApiError } from "@prism/kube-machinery/api-error";
import type { KubeObject, Stored } from "@prism/kube-machinery/kube-object";
import type { Resource } from "@prism/kube-machinery/resource";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { steadyNowMs } from "../../control/steady-clock.js";
import type { WorkloadEvent } from "../../ports/workloads.js";
import { IMAGE, sampleSpec } from "../../resources/testing/sample-cluster.js";
import { clusterManifest, makeNamespace } from "../testing/kube-home.js";
import { useTestServer } from "../testing/test-server.js";
import { childResource, PODS } from "./child-resources.js";
import { ChildWatches } from "./child-watches.js";
import { KubernetesWorkloads } from "./kubernetes-workloads.js";
import type { LivePod } from "./live-pod.js";
import { WORKLOAD_ACTION_KINDS, type WorkloadActionKind } from "../../reconcile/workload-action.js";
import { PRISM_CLUSTERS } from "./prism-resources.js";

const STATEFUL_SETS = childResource("StatefulSet");
const NAMES = ["demo-a-0", "demo-b-0", "demo-c-0"];
const DEADLINE_MS = 20_000;

const { client } = useTestServer();

type Json = Record<string, unknown>;
type Read = Stored<KubeObject & { spec: Json; status?: Json; data?: Json }>;

async function until<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`not in time: ${what}`);
    await delay(50);
  }
}

class Home {
  readonly events: WorkloadEvent[] = [];
  readonly told: { reason: Reason; about: string }[] = [];
  readonly namespace: string;
  readonly uid: string;
  readonly watches: ChildWatches;
  readonly workloads: KubernetesWorkloads;

  constructor(namespace: string, uid: string, watches: ChildWatches, api = client) {
    this.namespace = namespace;
    this.uid = uid;
    this.watches = watches;
    this.workloads = new KubernetesWorkloads({
      cluster: { namespace, name: "demo", uid, clusterId: "c" },
      api,
      watches,
      imageRepository: IMAGE,
      operatorNamespace: "prism-system",
      handlers: {
        onEvent: (reason, about) => this.told.push({ reason, about }),
        onBlockers: () => undefined,
      },
      log: pino({ level: "silent" }),
    });
    this.workloads.watch((event) => this.events.push(event));
  }
}

let home: Home;

beforeEach(async () => {
  const namespace = await makeNamespace(client);
  await client.patch(
    { group: "", version: "v1", kind: "Namespace", plural: "namespaces", namespaced: false },
    { name: namespace },
    { type: "merge", body: { metadata: { labels: { "pod-security.kubernetes.io/enforce": "restricted" } } } },
  );
  const cluster = await client.create(PRISM_CLUSTERS, clusterManifest(namespace, "demo"));
  const watches = new ChildWatches({ client, namespaces: [namespace], onError: () => undefined });
  await watches.start();
  home = new Home(namespace, cluster.metadata.uid, watches);
});

afterEach(async () => {
  await home.workloads.close();
  await home.watches.stop();
});

async function read(resource: Resource, name: string): Promise<Read | undefined> {
  return client.get<Read>(resource, { namespace: home.namespace, name });
}

async function pod(name: string): Promise<LivePod> {
  return until(`pod ${name}`, () => client.get<LivePod>(PODS, { namespace: home.namespace, name }));
}

/** What a kubelet would say. */
async function say(name: string, status: Json): Promise<void> {
  await pod(name);
  await client.patch(
    PODS,
    { namespace: home.namespace, name },
    { type: "merge", body: { status } },
    { subresource: "status" },
  );
}

function running(containerID: string, ready = true): Json {
  const condition = {
    type: "Ready",
    status: ready ? "True" : "False",
    lastTransitionTime: "2026-01-01T00:00:00Z",
  };
  return {
    phase: "Running",
    podIP: "10.0.0.7",
    podIPs: [{ ip: "10.0.0.7" }],
    conditions: [condition],
    containerStatuses: [
      {
        name: "node",
        ready,
        restartCount: 0,
        image: "i",
        imageID: "i",
        containerID,
        state: { running: { startedAt: "2026-01-01T00:00:00Z" } },
      },
    ],
  };
}

async function start(spec: ClusterSpec = sampleSpec()): Promise<void> {
  await home.workloads.apply(spec, false);
  for (const name of NAMES) {
    await home.workloads.ensure({ name, clusterName: "demo", workers: 0, env: {} });
    await say(name, running(`c-${name}`));
  }
  await until("all of them listen", () => (home.events.length >= NAMES.length ? true : undefined));
}

/** Of a cluster whose nodes are all there; `state` of its one shard. */
function status(state: "ok" | "degraded"): StatusResponse {
  const nodes = NAMES.map((name) => ({ name, ready: true, draining: false }));
  const shards = [
    { collection: "c", number: 0, state, wanted: 3, inSync: 2, recovering: 1, copies: [], unassigned: [] },
  ];
  const partial = { activeNodes: 3, nodes, shards, reportedAt: steadyNowMs() };
  return partial as unknown as StatusResponse;
}

async function maxUnavailable(): Promise<unknown> {
  return (await read(childResource("PodDisruptionBudget"), "demo"))?.spec["maxUnavailable"];
}

/** Tells the status again and again, as a control plane does. */
async function untilBudget(wanted: 0 | 1, state: "ok" | "degraded"): Promise<void> {
  await until(`maxUnavailable ${wanted}`, async () => {
    home.workloads.statusChanged(status(state));
    return (await maxUnavailable()) === wanted ? true : undefined;
  });
}

async function evict(name: string): Promise<number> {
  try {
    const { uid } = (await pod(name)).metadata;
    await client.evict(
      { namespace: home.namespace, name },
      { preconditions: { uid }, gracePeriodSeconds: 0, timeoutMs: 1500 },
    );
    return 201;
  } catch (error) {
    if (error instanceof ApiError) return error.status === 0 ? 429 : error.status;
    throw error;
  }
}

/** As somebody does by hand, together with a volume, a host's network and a variable of the node's own container. */
async function addContainer(name: string): Promise<void> {
  const add = (path: string, value: unknown) =>
    ({ op: "add", path: `/spec/template/spec${path}`, value }) as const;
  const operations = [
    // What is not added but changed is corrected, not taken out.
    { op: "replace", path: "/spec/template/spec/containers/0/image", value: "localhost/other:1" } as const,
    { op: "replace", path: "/spec/template/spec/terminationGracePeriodSeconds", value: 600 } as const,
    add("/containers/0", { name: "sidecar", image: "other", args: ["x"] }),
    add("/containers/1/env/0", { name: "EXTRA", value: "1" }),
    add("/volumes/-", { name: "extra", emptyDir: {} }),
    add("/hostPID", true),
    { op: "add", path: "/spec/template/metadata/annotations/example.com~1note", value: "mine" } as const,
    { op: "add", path: "/spec/minReadySeconds", value: 7 } as const,
  ];
  const at = { namespace: home.namespace, name };
  await client.patch(STATEFUL_SETS, at, { type: "json", operations }, { fieldManager: "kubectl-edit" });
}

describe("a cluster's objects at a real API server", () => {
  test("lose what somebody has added to a StatefulSet, but not the marks of other tools", async () => {
    await start();
    const before = (await read(STATEFUL_SETS, "demo-b"))!;
    await addContainer("demo-b");
    const after = await until("the StatefulSet as it was", async () => {
      const now = await read(STATEFUL_SETS, "demo-b");
      const isClean = now !== undefined && !/sidecar|localhost\/other/.test(JSON.stringify(now.spec));
      return isClean ? now : undefined;
    });
    const { template, ...rest } = after.spec as { template: { metadata: Json; spec: Json } };
    const { template: was, ...restBefore } = before.spec as { template: { metadata: Json; spec: Json } };
    expect(template.spec).toEqual(was.spec);
    expect(rest).toEqual(restBefore);
    expect(template.metadata["annotations"]).toMatchObject({ "example.com/note": "mine" });
    expect(home.told).toContainEqual({ reason: "DriftCorrected", about: "StatefulSet/demo-b" });
    const { generation } = after.metadata;
    for (let i = 0; i < 3; i += 1) await home.workloads.apply(sampleSpec(), false);
    expect((await read(STATEFUL_SETS, "demo-b"))?.metadata.generation).toBe(generation);
  });

  test("are made as wanted, with pods that the restricted policy admits, and then left alone", async () => {
    await start();
    const generations = (): Promise<unknown[]> =>
      Promise.all(
        [
          "ConfigMap/demo-settings",
          "Service/demo",
          "Service/demo-nodes",
          "NetworkPolicy/demo",
          "PodDisruptionBudget/demo",
        ]
          .concat(["a", "b", "c"].map((zone) => `StatefulSet/demo-${zone}`))
          .map(async (one) => {
            const [kind = "", name = ""] = one.split("/");
            const { metadata } = (await read(childResource(kind), name))!;
            return { one, generation: metadata.generation };
          }),
      );
    const before = await generations();
    const acted = home.told.length;
    // A pass for each of these; none of them finds anything to do.
    for (let i = 0; i < 5; i += 1) await home.workloads.apply(sampleSpec(), false);
    expect(home.told).toHaveLength(acted);
    expect(before).toHaveLength(8);
    expect(await generations()).toEqual(before);
    expect((await pod("demo-a-0")).metadata.labels).toMatchObject({ "prism.dev/zone": "a" });
  });

  test("come back: edited ones as they were, a StatefulSet deleted without its pods with the same pods", async () => {
    await start();
    const { uid } = (await pod("demo-b-0")).metadata;
    const set = (await read(STATEFUL_SETS, "demo-b"))!;
    await client.delete(STATEFUL_SETS, set.metadata, {
      preconditions: { uid: set.metadata.uid },
      propagationPolicy: "Orphan",
    });
    const made = await until("a new StatefulSet", async () => {
      const now = await read(STATEFUL_SETS, "demo-b");
      return now && now.metadata.uid !== set.metadata.uid ? now : undefined;
    });
    await until("the pod is adopted", async () => {
      const [owner] = (await pod("demo-b-0")).metadata.ownerReferences ?? [];
      return owner?.uid === made.metadata.uid ? true : undefined;
    });
    expect((await pod("demo-b-0")).metadata.uid).toBe(uid);

    const at = { namespace: home.namespace, name: "demo-c" };
    await client.patch(
      STATEFUL_SETS,
      at,
      { type: "merge", body: { spec: { replicas: 4 } } },
      { fieldManager: "kubectl" },
    );
    await until("replicas as they were", async () => {
      return (await read(STATEFUL_SETS, "demo-c"))?.spec["replicas"] === 1 ? true : undefined;
    });
    expect(home.told).toContainEqual({ reason: "WorkloadRestored", about: "StatefulSet/demo-b" });
    expect(home.told).toContainEqual({ reason: "DriftCorrected", about: "StatefulSet/demo-c" });
  });

  test("are left to strangers who had the name first", async () => {
    const services = childResource("Service");
    await client.create(services, {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "demo", namespace: home.namespace },
      spec: { ports: [{ port: 80 }] },
    } as KubeObject);
    await home.workloads.apply(sampleSpec(), false);
    expect(home.workloads.blockers().map((one) => one.rule)).toEqual(["NameInUse"]);
    expect((await read(services, "demo"))?.metadata.ownerReferences).toBeUndefined();
  });

  test("take a newer template in one zone only", async () => {
    await start();
    await untilBudget(1, "ok");
    await home.workloads.apply(sampleSpec({ version: "0.2.0" }), false);
    const image = async (zone: string): Promise<string | undefined> => {
      const set = (await read(STATEFUL_SETS, `demo-${zone}`))!;
      const { template } = set.spec as { template: { spec: { containers: { image: string }[] } } };
      return template.spec.containers[0]?.image;
    };
    expect(await image("a")).toBe(`${IMAGE}:0.2.0`);
    expect(await image("b")).toBe(`${IMAGE}:0.1.0`);
    expect(home.workloads.blockers().map((one) => one.rule)).toContain("TemplateHeldBack");
  });
});

describe("evictions", () => {
  test("go one at a time: the next waits until the pod is back and everything is in sync", async () => {
    await start();
    expect(await maxUnavailable()).toBe(0);
    expect(await evict("demo-a-0")).toBe(429);
    await untilBudget(1, "ok");
    await until("an eviction", async () => ((await evict("demo-a-0")) === 201 ? true : undefined));
    await untilBudget(0, "degraded");
    expect(await evict("demo-b-0")).toBe(429);
    await say("demo-a-0", running("c-2"));
    // Ready again, and still filling its copies: Kubernetes alone would let the next one go now.
    await until("a status after the pod's return", async () => {
      home.workloads.statusChanged(status("degraded"));
      return (await evict("demo-b-0")) === 429 ? true : undefined;
    });
    await untilBudget(1, "ok");
    await until("the next eviction", async () => ((await evict("demo-b-0")) === 201 ? true : undefined));
  });
});

describe("processes in pods", () => {
  test("listen when their container runs, ready or not, and end when it does", async () => {
    await start();
    home.events.splice(0);
    const [name] = NAMES as [string];
    const ended = {
      containerID: `c-${name}`,
      exitCode: 137,
      reason: "OOMKilled",
      startedAt: "2026-01-01T00:00:00Z",
      finishedAt: "2026-01-01T00:00:09Z",
    };
    const restarted = running("c-2", false);
    const [container] = restarted["containerStatuses"] as [Json];
    const now = { ...container, restartCount: 1, lastState: { terminated: ended } };
    await say(name, { ...restarted, containerStatuses: [now] });
    await until("both are told", () => (home.events.length >= 2 ? true : undefined));
    expect(home.events).toEqual([
      { kind: "exited", name, code: null, signal: "SIGKILL", detail: "OOMKilled", expected: false },
      { kind: "listening", name, peerAddress: "10.0.0.7:7000" },
    ]);
    expect(home.workloads.list().find((one) => one.name === name)).toMatchObject({
      state: "running",
      httpUrl: "http://10.0.0.7:3080",
    });
  });

  test("are not taken for ended when their pod was deleted by force", async () => {
    await start();
    home.events.splice(0);
    const before = await pod("demo-a-0");
    await client.delete(
      PODS,
      { namespace: home.namespace, name: "demo-a-0" },
      {
        preconditions: { uid: before.metadata.uid },
        gracePeriodSeconds: 0,
      },
    );
    await until("the next pod", async () => {
      const now = await client.get<LivePod>(PODS, { namespace: home.namespace, name: "demo-a-0" });
      return now && now.metadata.uid !== before.metadata.uid ? true : undefined;
    });
    await say("demo-a-0", running("c-9"));
    await until("it listens", () => (home.events.length > 0 ? true : undefined));
    expect(home.events).toEqual([{ kind: "listening", name: "demo-a-0", peerAddress: "10.0.0.7:7000" }]);
  });

  test("that can't begin say why, and what can be done", async () => {
    await home.workloads.apply(sampleSpec(), false);
    await home.workloads.ensure({ name: "demo-a-0", clusterName: "demo", workers: 0, env: {} });
    await say("demo-b-0", {
      conditions: [
        {
          type: "PodScheduled",
          status: "True",
          reason: null,
          message: null,
          lastTransitionTime: "2026-01-01T00:00:00Z",
        },
      ],
      containerStatuses: [
        {
          name: "node",
          ready: false,
          restartCount: 0,
          image: "i",
          imageID: "",
          state: { waiting: { reason: "ImagePullBackOff", message: "Back-off pulling image" } },
        },
      ],
    });
    const rules = await until("both waits are told", () => {
      const blockers = home.workloads.blockers();
      const kinds = new Set(blockers.map((one) => one.rule));
      return kinds.has("ImagePullFailed") && kinds.has("PodUnschedulable") ? blockers : undefined;
    });
    const of = (name: string): string | undefined => rules.find((one) => one.evidence.startsWith(name))?.rule;
    // The scheduler of the test's control plane finds no machine.
    expect(of("demo-a-0")).toBe("PodUnschedulable");
    expect(rules.map((one) => one.rule)).toContain("ImagePullFailed");
    expect(rules.every((one) => one.unblock.length > 20)).toBe(true);
  });
});

describe("an operator that ends right after a write", () => {
  type Write = { kind: string; metadata: { uid?: string }; spec?: Json };
  const ofSet = (write: Write, image: string, isNew: boolean): boolean =>
    write.kind === "StatefulSet" &&
    (write.metadata.uid === undefined) === isNew &&
    JSON.stringify(write.spec).includes(`${IMAGE}:${image}`);
  const ofBudget = (write: Write, open: 0 | 1): boolean =>
    write.kind === "PodDisruptionBudget" && write.spec?.["maxUnavailable"] === open;
  const ofService = (write: Write, headless: boolean): boolean =>
    write.kind === "Service" && (write.spec?.["clusterIP"] === "None") === headless;
  /** How each of its actions looks on the wire; the list is the union's. */
  const WRITES: Record<WorkloadActionKind, (write: Write) => boolean> = {
    applySettings: ({ kind }) => kind === "ConfigMap",
    applyNodesService: (write) => ofService(write, true),
    applyClientService: (write) => ofService(write, false),
    applyNetworkPolicy: ({ kind }) => kind === "NetworkPolicy",
    closeBudget: (write) => ofBudget(write, 0),
    openBudget: (write) => ofBudget(write, 1),
    createStatefulSet: (write) => ofSet(write, "0.1.0", true),
    updateStatefulSet: (write) => ofSet(write, "0.1.0", false),
    changeTemplate: (write) => ofSet(write, "0.2.0", false),
    // The only one that is no apply.
    dropForeignFields: () => false,
  };

  /** Ends with the first write of this kind: done, but its answer is never heard. */
  function mortal(isLast: (write: Write) => boolean): { api: ApiClient; died: Promise<void> } {
    let die: () => void = () => undefined;
    const died = new Promise<void>((resolve) => (die = resolve));
    let isDead = false;
    const api = Object.create(client) as ApiClient;
    api.get = (...args) => (isDead ? Promise.reject(new Error("dead")) : client.get(...args));
    api.apply = async (...args) => {
      if (isDead) throw new Error("dead");
      const answer = await client.apply(...args);
      if (!isLast(args[1])) return answer;
      isDead = true;
      die();
      throw new Error("dead");
    };
    api.patch = async (...args) => {
      if (isDead) throw new Error("dead");
      await client.patch(...args);
      isDead = true;
      die();
      throw new Error("dead");
    };
    return { api, died };
  }

  async function successor(api = client): Promise<Home> {
    await home.workloads.close();
    await home.watches.stop();
    const watches = new ChildWatches({ client, namespaces: [home.namespace], onError: () => undefined });
    await watches.start();
    return new Home(home.namespace, home.uid, watches, api);
  }

  async function goOn(spec: ClusterSpec): Promise<void> {
    for (const name of NAMES) await home.workloads.ensure({ name, clusterName: "demo", workers: 0, env: {} });
    void home.workloads.apply(spec, false);
    home.workloads.statusChanged(status("ok"));
  }

  test.each(WORKLOAD_ACTION_KINDS)("is followed by one that goes on: %s", async (kind) => {
    const isChange = kind === "updateStatefulSet" || kind === "changeTemplate" || kind === "openBudget";
    if (isChange) await start();
    if (kind === "changeTemplate") await untilBudget(1, "ok");
    if (kind === "dropForeignFields") {
      await start();
      await home.workloads.close();
      await addContainer("demo-b");
    }
    const spec = sampleSpec(
      kind === "updateStatefulSet" ? { nodes: 6 } : kind === "changeTemplate" ? { version: "0.2.0" } : {},
    );
    const { api, died } = mortal(WRITES[kind]);
    home = await successor(api);
    const telling = setInterval(() => home.workloads.statusChanged(status("ok")), 100);
    try {
      await goOn(spec);
      await died;
      home = await successor();
      await goOn(spec);
      await home.workloads.apply(spec, false);
      const sets = await Promise.all(["a", "b", "c"].map((zone) => read(STATEFUL_SETS, `demo-${zone}`)));
      expect(sets.map((set) => set?.spec["replicas"])).toEqual(spec.nodes === 6 ? [2, 2, 2] : [1, 1, 1]);
      const images = new Set(sets.map((set) => /prism-node:[0-9.]+/.exec(JSON.stringify(set?.spec))?.[0]));
      expect(images.size).toBe(kind === "changeTemplate" ? 2 : 1);
      expect(JSON.stringify(sets)).not.toContain("sidecar");
      for (const [child, name] of [
        ["ConfigMap", "demo-settings"],
        ["Service", "demo"],
        ["Service", "demo-nodes"],
        ["NetworkPolicy", "demo"],
        ["PodDisruptionBudget", "demo"],
      ] as const) {
        expect((await read(childResource(child), name))?.metadata.ownerReferences?.[0]?.uid).toBe(home.uid);
      }
      if (kind === "openBudget") await untilBudget(1, "ok");
    } finally {
      clearInterval(telling);
    }
  });
});
