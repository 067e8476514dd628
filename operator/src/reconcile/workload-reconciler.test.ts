import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Reason } from "@prism/api/reason";
import type { ClusterSpec } from "@prism/api/cluster";
import type { Evidence } from "../domain/action.js";
import { IMAGE, OWNER, sampleSpec } from "../resources/testing/sample-cluster.js";
import { FakeObjects } from "./testing/fake-objects.js";
import { WORKLOAD_ACTION_KINDS, type WorkloadActionKind } from "./workload-action.js";
import { planWorkloads, templateOf } from "./workload-plan.js";
import { WorkloadReconciler, type WorkloadPass, type WorkloadWish } from "./workload-reconciler.js";

interface Told {
  readonly reason: Reason;
  readonly about: string;
  readonly evidence: Evidence;
}

class Bench {
  readonly objects: FakeObjects;
  readonly told: Told[] = [];
  nowMs = 0;
  readonly #reconciler: WorkloadReconciler;

  constructor(objects = new FakeObjects()) {
    this.objects = objects;
    this.#reconciler = new WorkloadReconciler({
      owner: OWNER,
      objects,
      imageRepository: IMAGE,
      operatorNamespace: "prism-system",
      onAction: (reason, about, evidence) => this.told.push({ reason, about, evidence }),
      nowMs: () => this.nowMs,
    });
  }

  pass(spec: ClusterSpec, over: Partial<WorkloadWish> = {}): Promise<WorkloadPass> {
    return this.#reconciler.reconcile({
      spec,
      paused: false,
      knownNodes: new Set(),
      maxUnavailable: 0,
      allInSync: true,
      ...over,
    });
  }

  /** Pods of every StatefulSet that run its present template. */
  startPods(): void {
    this.objects.podFacts = [...this.objects.stored.values()]
      .filter((object) => object.kind === "StatefulSet")
      .flatMap((object) => {
        const { annotations } = templateOf(object).metadata;
        return Array.from({ length: Number(object.spec?.["replicas"]) }, (_, i) => ({
          name: `${object.metadata.name}-${i}`,
          ready: true,
          templateHash: annotations["prism.dev/template-hash"] ?? "",
          settingsKey: annotations["prism.dev/settings"] ?? "",
        }));
      });
  }

  restartPod(name: string): void {
    const before = this.objects.podFacts;
    this.startPods();
    this.objects.podFacts = this.objects.podFacts.map((pod) =>
      pod.name === name ? pod : (before.find((one) => one.name === pod.name) ?? pod),
    );
  }

  image(statefulSet: string): string {
    const { spec } = templateOf(this.objects.stored.get(`StatefulSet/${statefulSet}`)!);
    return (spec["containers"] as { image: string }[])[0]!.image;
  }

  takeTold(): Told[] {
    return this.told.splice(0);
  }
}

async function running(spec = sampleSpec()): Promise<Bench> {
  const bench = new Bench();
  await bench.pass(spec);
  bench.startPods();
  await bench.pass(spec);
  bench.takeTold();
  return bench;
}

/** As the API server notes who added it. */
function addSidecar(bench: Bench, container = "sidecar"): void {
  const fields = {
    "f:containers": { [`k:${JSON.stringify({ name: container })}`]: { ".": {}, "f:image": {} } },
  };
  bench.objects.edit(
    "StatefulSet/demo-b",
    (object) => {
      const { template } = object["spec"] as { template: { spec: { containers: object[] } } };
      template.spec.containers.unshift({ name: container, image: "other" });
    },
    "kubectl-edit",
    { "f:spec": { "f:template": { "f:spec": fields } } },
  );
}

describe("keeping a cluster's objects", () => {
  it("takes out what somebody has added to a StatefulSet, and says who and what", async () => {
    const bench = await running();
    const before = bench.objects.spec("StatefulSet/demo-b");
    addSidecar(bench);
    expect((await bench.pass(sampleSpec(), { paused: true })).acted).toBe(0);
    await bench.pass(sampleSpec());
    expect(bench.objects.spec("StatefulSet/demo-b")).toEqual(before);
    expect(bench.takeTold()).toEqual([
      {
        reason: "DriftCorrected",
        about: "StatefulSet/demo-b",
        evidence: {
          object: "StatefulSet/demo-b",
          field: "spec.template.spec.containers[sidecar]",
          changedBy: "kubectl-edit",
        },
      },
    ]);
    expect((await bench.pass(sampleSpec())).acted).toBe(0);
  });

  it("does not make its own what somebody added to a StatefulSet whose newer template is held back", async () => {
    const bench = await running();
    addSidecar(bench);
    const newer = sampleSpec({ version: "0.2.0", nodes: 6 });
    for (let pass = 0; pass < 3; pass += 1) await bench.pass(newer, { allInSync: false });
    const set = bench.objects.spec("StatefulSet/demo-b");
    expect(set["replicas"]).toBe(2);
    expect(JSON.stringify(set)).not.toContain("sidecar");
    expect(bench.image("demo-b")).toContain("0.1.0");
  });

  it("makes all of them once, a StatefulSet for each zone, evictions held", async () => {
    const bench = new Bench();
    const { acted } = await bench.pass(sampleSpec({ nodes: 4 }));
    expect(acted).toBe(8);
    expect(bench.objects.applied.slice(-3)).toEqual([
      "StatefulSet/demo-a",
      "StatefulSet/demo-b",
      "StatefulSet/demo-c",
    ]);
    expect(bench.objects.spec("StatefulSet/demo-a")["replicas"]).toBe(2);
    expect(bench.objects.spec("StatefulSet/demo-c")["replicas"]).toBe(1);
    expect(bench.objects.spec("PodDisruptionBudget/demo")["maxUnavailable"]).toBe(0);
    expect(new Set(bench.told.map((one) => one.reason))).toEqual(new Set(["WorkloadCreated"]));
    expect((await bench.pass(sampleSpec({ nodes: 4 }))).acted).toBe(0);
  });

  it("makes one StatefulSet of the cluster's name where there are no zones", async () => {
    const bench = new Bench();
    await bench.pass(sampleSpec({ nodes: 3 }, [undefined, undefined]));
    expect(bench.objects.spec("StatefulSet/demo")["replicas"]).toBe(3);
  });

  it("sets back what somebody edited, and says who", async () => {
    const bench = await running();
    bench.objects.edit(
      "StatefulSet/demo-b",
      (object) => ((object["spec"] as { replicas: number }).replicas = 5),
    );
    bench.objects.edit("Service/demo-nodes", (object) => {
      (object["spec"] as { publishNotReadyAddresses: boolean }).publishNotReadyAddresses = false;
    });
    await bench.pass(sampleSpec(), { knownNodes: new Set(["demo-a-0", "demo-b-0", "demo-c-0"]) });
    expect(bench.objects.spec("StatefulSet/demo-b")["replicas"]).toBe(1);
    expect(bench.takeTold()).toEqual([
      {
        reason: "DriftCorrected",
        about: "Service/demo-nodes",
        evidence: {
          object: "Service/demo-nodes",
          field: "spec.publishNotReadyAddresses",
          changedBy: "kubectl-edit",
        },
      },
      {
        reason: "DriftCorrected",
        about: "StatefulSet/demo-b",
        evidence: { object: "StatefulSet/demo-b", field: "spec.replicas", changedBy: "kubectl-edit" },
      },
    ]);
  });

  it("sets back an image that somebody edited", async () => {
    const bench = await running();
    bench.objects.edit("StatefulSet/demo-a", (object) => {
      const { template } = object["spec"] as { template: { spec: { containers: { image: string }[] } } };
      template.spec.containers[0]!.image = "example.com/other:1";
    });
    await bench.pass(sampleSpec());
    expect(bench.image("demo-a")).toBe("example.com/prism-node:0.1.0");
  });

  it("leaves fields alone that others own", async () => {
    const bench = await running();
    bench.objects.edit("Service/demo", (object) => {
      (object["metadata"] as { annotations: object }).annotations = { "example.com/note": "mine" };
    });
    expect((await bench.pass(sampleSpec())).acted).toBe(0);
  });

  it("makes a deleted StatefulSet again", async () => {
    const bench = await running();
    bench.objects.stored.delete("StatefulSet/demo-b");
    await bench.pass(sampleSpec());
    expect(bench.takeTold()).toMatchObject([{ reason: "WorkloadRestored", about: "StatefulSet/demo-b" }]);
  });

  it("makes a StatefulSet that was deleted without its pods again with the template they run", async () => {
    const bench = await running();
    const newer = sampleSpec({ version: "0.2.0" });
    await bench.pass(newer, { allInSync: false });
    bench.objects.stored.delete("StatefulSet/demo-b");
    await bench.pass(newer, { allInSync: false });
    expect(bench.image("demo-b")).toBe("example.com/prism-node:0.1.0");
  });

  it("waits for a StatefulSet that is being deleted to be gone", async () => {
    const bench = await running();
    bench.objects.edit("StatefulSet/demo-b", (object) => {
      (object["metadata"] as { deletionTimestamp: string }).deletionTimestamp = "2026-01-01T00:00:02Z";
    });
    expect((await bench.pass(sampleSpec())).acted).toBe(0);
  });

  it("never takes a pod away whose node is counted on", async () => {
    const bench = await running(sampleSpec({ nodes: 6 }));
    const knownNodes = new Set(["a", "b", "c"].flatMap((zone) => [`demo-${zone}-0`, `demo-${zone}-1`]));
    await bench.pass(sampleSpec({ nodes: 3 }), { knownNodes });
    await bench.pass(sampleSpec({ nodes: 3 }));
    expect(bench.objects.spec("StatefulSet/demo-a")["replicas"]).toBe(2);
  });

  it("grows", async () => {
    const bench = await running();
    await bench.pass(sampleSpec({ nodes: 5 }));
    expect(bench.takeTold().map((one) => `${one.reason} ${one.about}`)).toEqual([
      "WorkloadChanged StatefulSet/demo-a",
      "WorkloadChanged StatefulSet/demo-b",
    ]);
  });
});

describe("a newer template", () => {
  const newer = sampleSpec({ version: "0.2.0" });

  it("goes to one zone at a time, and to the next when its pods run it and all is in sync", async () => {
    const bench = await running();
    await bench.pass(newer);
    const images = (): string[] =>
      ["demo-a", "demo-b", "demo-c"].map((name) => bench.image(name).split(":")[1]!);
    expect(images()).toEqual(["0.2.0", "0.1.0", "0.1.0"]);
    const { blockers } = await bench.pass(newer);
    expect(images()).toEqual(["0.2.0", "0.1.0", "0.1.0"]);
    expect(blockers.map((one) => one.rule)).toContain("TemplateHeldBack");
    expect(blockers[0]?.evidence).toContain("demo-a-0");
    bench.restartPod("demo-a-0");
    await bench.pass(newer, { allInSync: false });
    expect(images()).toEqual(["0.2.0", "0.1.0", "0.1.0"]);
    await bench.pass(newer);
    expect(images()).toEqual(["0.2.0", "0.2.0", "0.1.0"]);
  });

  it("is given to a zone whose own pods are the trouble, and to no other before that one runs well", async () => {
    const bench = await running();
    const fail = (zone: string): void => {
      bench.objects.podFacts = bench.objects.podFacts.map((pod) =>
        pod.name.startsWith(`demo-${zone}`) ? { ...pod, ready: false } : pod,
      );
    };
    const version = (zone: string): string => bench.image(`demo-${zone}`).split(":")[1]!;
    fail("b");
    fail("c");
    await bench.pass(newer, { allInSync: false });
    expect([version("a"), version("b"), version("c")]).toEqual(["0.1.0", "0.2.0", "0.1.0"]);
    await bench.pass(newer, { allInSync: false });
    expect(version("c")).toBe("0.1.0");
    // It does not help: another try must not wait for what it is to repair.
    await bench.pass(sampleSpec({ version: "0.3.0" }), { allInSync: false });
    expect([version("a"), version("b"), version("c")]).toEqual(["0.1.0", "0.3.0", "0.1.0"]);
  });

  it("waits for a zone whose StatefulSet is gone while the pods of that one are still to get it", async () => {
    const bench = await running();
    await bench.pass(newer);
    await bench.pass(newer);
    expect([bench.image("demo-a"), bench.image("demo-c")]).toEqual([`${IMAGE}:0.2.0`, `${IMAGE}:0.1.0`]);
    bench.objects.podFacts = bench.objects.podFacts.map((pod) => ({
      ...pod,
      ready: pod.name !== "demo-c-0",
    }));
    bench.objects.stored.delete("StatefulSet/demo-a");
    await bench.pass(newer);
    expect([bench.image("demo-a"), bench.image("demo-c")]).toEqual([`${IMAGE}:0.2.0`, `${IMAGE}:0.1.0`]);
  });

  it("does not come along with a change of something else", async () => {
    const bench = await running();
    await bench.pass(sampleSpec({ version: "0.2.0", nodes: 6 }), { allInSync: false });
    expect(bench.objects.spec("StatefulSet/demo-b")["replicas"]).toBe(2);
    expect(bench.image("demo-b")).toBe("example.com/prism-node:0.1.0");
  });

  it("leaves the settings' file of pods that still have the older one", async () => {
    const bench = await running();
    const larger = sampleSpec({ resources: { limits: { cpu: "4", memory: "2Gi" } } });
    await bench.pass(larger);
    expect(Object.keys(bench.objects.stored.get("ConfigMap/demo-settings")?.data ?? {})).toHaveLength(2);
    for (const pod of ["demo-a-0", "demo-b-0", "demo-c-0"]) {
      bench.restartPod(pod);
      await bench.pass(larger);
    }
    await bench.pass(larger);
    expect(Object.keys(bench.objects.stored.get("ConfigMap/demo-settings")?.data ?? {})).toHaveLength(1);
  });

  it("can't change claims: they stay, and status says so", async () => {
    const bench = await running();
    const { blockers } = await bench.pass(sampleSpec({ storage: { size: "40Gi" } }));
    expect(blockers.map((one) => one.rule)).toContain("ChangeRefused");
    const claims = bench.objects.spec("StatefulSet/demo-a")["volumeClaimTemplates"];
    expect(JSON.stringify(claims)).toContain("20Gi");
  });
});

describe("what stops the operator", () => {
  it("is a pause: nothing that is there changes, but what is missing is made, and evictions are still held", async () => {
    const bench = await running();
    bench.objects.stored.delete("StatefulSet/demo-c");
    bench.objects.edit(
      "StatefulSet/demo-a",
      (object) => ((object["spec"] as { replicas: number }).replicas = 2),
    );
    await bench.pass(sampleSpec({ nodes: 6 }), { paused: true, maxUnavailable: 1 });
    expect(bench.takeTold().map((one) => `${one.reason} ${one.about}`)).toEqual([
      "DisruptionsAllowed PodDisruptionBudget/demo",
      "WorkloadRestored StatefulSet/demo-c",
    ]);
  });

  it("is an object of that name that belongs to somebody else, seen or not by the cache", async () => {
    const bench = new Bench();
    const stranger = { apiVersion: "v1", kind: "Service", metadata: { name: "demo" }, spec: { ports: [] } };
    bench.objects.put(stranger as never);
    const { blockers } = await bench.pass(sampleSpec());
    expect(blockers).toMatchObject([{ rule: "NameInUse" }]);
    bench.objects.lagging = [...bench.objects.stored.values()].filter((one) => one.kind !== "Service");
    expect((await bench.pass(sampleSpec())).blockers).toMatchObject([{ rule: "NameInUse" }]);
    expect(bench.objects.spec("Service/demo")).toEqual({ ports: [] });
  });

  it("is a cache that has not seen the last writes", async () => {
    const bench = new Bench();
    bench.objects.lagging = [];
    await bench.pass(sampleSpec());
    const writes = bench.objects.applied.length;
    expect(await bench.pass(sampleSpec({ version: "0.2.0" }))).toMatchObject({ planned: false, acted: 0 });
    expect(bench.objects.applied).toHaveLength(writes);
  });
});

describe("an operator that ends after any of its actions", () => {
  /** Ends in a state in which exactly this kind of action is next. */
  const scenes: Record<
    WorkloadActionKind,
    () => Promise<{ bench: Bench; spec: ClusterSpec; open?: boolean }>
  > = {
    applySettings: async () => ({ bench: new Bench(), spec: sampleSpec() }),
    applyNodesService: async () => ({ bench: new Bench(), spec: sampleSpec() }),
    applyClientService: async () => ({ bench: new Bench(), spec: sampleSpec() }),
    applyNetworkPolicy: async () => ({ bench: new Bench(), spec: sampleSpec() }),
    closeBudget: async () => ({ bench: new Bench(), spec: sampleSpec() }),
    createStatefulSet: async () => ({ bench: new Bench(), spec: sampleSpec() }),
    openBudget: async () => ({ bench: await running(), spec: sampleSpec(), open: true }),
    updateStatefulSet: async () => ({ bench: await running(), spec: sampleSpec({ nodes: 6 }) }),
    changeTemplate: async () => ({ bench: await running(), spec: sampleSpec({ version: "0.2.0" }) }),
    dropForeignFields: async () => {
      const bench = await running();
      addSidecar(bench);
      return { bench, spec: sampleSpec() };
    },
  };

  it.each(WORKLOAD_ACTION_KINDS)("goes on from there: %s", async (kind) => {
    const { bench, spec, open } = await scenes[kind]();
    const maxUnavailable = open === true ? 1 : 0;
    let struck = false;
    bench.objects.afterApply = () => {
      if (struck || lastKind(bench, spec, maxUnavailable) === kind) return;
      struck = true;
      throw new Error("the operator was killed");
    };
    const wish = { maxUnavailable } as const;
    await bench.pass(spec, wish).catch(() => undefined);
    const successor = new Bench(bench.objects);
    bench.objects.afterApply = () => undefined;
    await successor.pass(spec, wish);
    await successor.pass(spec, wish);
    const left = planWorkloads({
      owner: OWNER,
      spec,
      paused: false,
      imageRepository: IMAGE,
      operatorNamespace: "prism-system",
      children: successor.objects.children(),
      pods: successor.objects.podFacts,
      knownNodes: new Set(),
      maxUnavailable,
      allInSync: true,
      seen: new Set(),
      lastStatefulSets: new Map(),
    });
    expect(left.actions).toEqual([]);
    const templates = new Set(["demo-a", "demo-b", "demo-c"].map((name) => successor.image(name)));
    expect(templates.size).toBe(kind === "changeTemplate" ? 2 : 1);
  });

  function lastKind(bench: Bench, spec: ClusterSpec, maxUnavailable: 0 | 1): WorkloadActionKind | undefined {
    return planWorkloads({
      owner: OWNER,
      spec,
      paused: false,
      imageRepository: IMAGE,
      operatorNamespace: "prism-system",
      children: bench.objects.children(),
      pods: bench.objects.podFacts,
      knownNodes: new Set(),
      maxUnavailable,
      allInSync: true,
      seen: new Set(),
      lastStatefulSets: new Map(),
    }).actions[0]?.kind;
  }
});

describe("any sequence of changes, faults and ends of the operator", () => {
  const zone = fc.constantFrom("demo-a", "demo-b", "demo-c");
  const step = fc.oneof(
    fc.record({ kind: fc.constant("version" as const), version: fc.constantFrom("0.1.0", "0.2.0", "0.3.0") }),
    fc.record({ kind: fc.constant("nodes" as const), nodes: fc.integer({ min: 3, max: 6 }) }),
    fc.record({ kind: fc.constantFrom("restart" as const, "fail" as const, "recover" as const), set: zone }),
    fc.record({ kind: fc.constant("inSync" as const), inSync: fc.boolean() }),
    fc.record({ kind: fc.constantFrom("delete" as const, "scale" as const), set: zone }),
    fc.record({ kind: fc.constant("endAfter" as const), writes: fc.integer({ min: 0, max: 2 }) }),
    fc.record({ kind: fc.constant("pass" as const) }),
  );

  /** Pods as a StatefulSet's controller keeps them: those there are stay as they are. */
  function keepPods(bench: Bench): void {
    const before = new Map(bench.objects.podFacts.map((pod) => [pod.name, pod]));
    bench.startPods();
    bench.objects.podFacts = bench.objects.podFacts.map((pod) => before.get(pod.name) ?? pod);
    // Of a StatefulSet that is gone, deleted without them.
    const kept = new Set(bench.objects.podFacts.map((pod) => pod.name));
    for (const [name, pod] of before) if (!kept.has(name)) bench.objects.podFacts.push(pod);
  }

  function pendingZones(bench: Bench): string[] {
    return ["demo-a", "demo-b", "demo-c"].filter((name) => {
      const set = bench.objects.stored.get(`StatefulSet/${name}`);
      const hash = set && templateOf(set).metadata.annotations["prism.dev/template-hash"];
      return (
        set && bench.objects.podFacts.some((pod) => pod.name.startsWith(name) && pod.templateHash !== hash)
      );
    });
  }

  it("never leaves pods of two zones to come back with another template, never takes a pod away, and ends", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        let bench = await running();
        let wish = { version: "0.1.0", nodes: 3 };
        let allInSync = true;
        const knownNodes = new Set(["demo-a-0", "demo-b-0", "demo-c-0"]);
        for (const one of steps) {
          switch (one.kind) {
            case "version":
              wish = { ...wish, version: one.version };
              break;
            case "nodes":
              wish = { ...wish, nodes: Math.max(wish.nodes, one.nodes) };
              break;
            case "restart":
              bench.restartPod(`${one.set}-0`);
              break;
            case "fail":
            case "recover":
              bench.objects.podFacts = bench.objects.podFacts.map((pod) =>
                pod.name === `${one.set}-0` ? { ...pod, ready: one.kind === "recover" } : pod,
              );
              break;
            case "inSync":
              ({ inSync: allInSync } = one);
              break;
            case "delete":
              bench.objects.stored.delete(`StatefulSet/${one.set}`);
              break;
            case "scale":
              bench.objects.edit(`StatefulSet/${one.set}`, (object) => {
                (object["spec"] as { replicas: number }).replicas = 0;
              });
              break;
            case "endAfter": {
              bench.nowMs += 10_000;
              let left = one.writes;
              bench.objects.afterApply = () => {
                left -= 1;
                if (left < 0) throw new Error("the operator was killed");
              };
              await bench.pass(sampleSpec(wish), { knownNodes, allInSync }).catch(() => undefined);
              bench.objects.afterApply = () => undefined;
              bench = new Bench(bench.objects);
              break;
            }
            case "pass":
          }
          // Long enough for the cache to have seen all there is to see.
          bench.nowMs += 10_000;
          await bench.pass(sampleSpec(wish), { knownNodes, allInSync });
          keepPods(bench);
          expect(pendingZones(bench).length).toBeLessThanOrEqual(1);
          for (const name of ["demo-a", "demo-b", "demo-c"]) {
            expect(bench.objects.spec(`StatefulSet/${name}`)["replicas"]).toBeGreaterThanOrEqual(1);
          }
        }
        // Everything is well, and a person restarts what runs an older template.
        for (let round = 0; round < 8; round += 1) {
          bench.nowMs += 10_000;
          bench.objects.podFacts = bench.objects.podFacts.map((pod) => ({ ...pod, ready: true }));
          await bench.pass(sampleSpec(wish), { knownNodes });
          bench.startPods();
        }
        const { acted, blockers } = await bench.pass(sampleSpec(wish), { knownNodes });
        expect({ acted, blockers }).toEqual({ acted: 0, blockers: [] });
        expect(bench.image("demo-c")).toBe(`${IMAGE}:${wish.version}`);
      }),
      { numRuns: 50 },
    );
  }, 60_000);
});
