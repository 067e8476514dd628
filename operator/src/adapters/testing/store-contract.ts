/** What every Store promises, as tests: each home's own test runs them on its own store. */
import { describe, expect, test } from "vitest";
import {
  StoreError,
  type ApiObject,
  type NewObject,
  type ObjectChange,
  type Store,
} from "../../ports/store.js";

export interface StoreUnderTest {
  /** Each on a home of its own, empty. */
  readonly open: () => Store | Promise<Store>;
  /** Of a kind whose spec and status are one record: a change of either counts. Default: spec alone counts. */
  readonly generationCountsStatus?: boolean;
  /** So many changes it remembers; default 4096. */
  readonly remembered?: number;
}

export function nodeObject(name: string, zone = "a"): NewObject<"PrismNode"> {
  return {
    kind: "PrismNode",
    name,
    spec: { zone, region: "", rack: "", attributes: {} },
    status: { nodeId: "", bootId: "", peerAddress: "", httpUrl: "", adminUrl: "" },
  };
}

export function withNodeId(object: ApiObject<"PrismNode">, nodeId: string): ApiObject<"PrismNode"> {
  return { ...object, status: { ...object.status, nodeId } };
}

/** How the store refused it. */
export async function failure(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof StoreError)) throw new Error(`expected a StoreError, got ${String(error)}`);
  return error.failure;
}

export function describeStoreContract(name: string, under: StoreUnderTest): void {
  const { open, generationCountsStatus = false, remembered = 4096 } = under;
  describe(`store contract: ${name}`, () => {
    test("a created object is read back, with a uid and generation 1", async () => {
      const store = await open();
      const made = await store.create({ ...nodeObject("n1"), labels: { team: "x" } });
      expect(made.metadata).toMatchObject({ name: "n1", generation: 1, labels: { team: "x" } });
      expect(made.metadata.uid).not.toBe("");
      expect(await store.get("PrismNode", "n1")).toEqual(made);
      expect(await store.get("PrismNode", "n2")).toBeUndefined();
      expect(await store.get("PrismShard", "n1")).toBeUndefined();
    });

    test("a second object of the same name is refused", async () => {
      const store = await open();
      await store.create(nodeObject("n1"));
      expect(await failure(store.create(nodeObject("n1")))).toBe("alreadyExists");
    });

    test("an update wins only against the version it was read from", async () => {
      const store = await open();
      const first = await store.create(nodeObject("n1"));
      const second = await store.update(withNodeId(first, "one"));
      expect(await failure(store.update(withNodeId(first, "two")))).toBe("conflict");
      expect((await store.get("PrismNode", "n1"))?.status.nodeId).toBe("one");
      expect(second.metadata.resourceVersion).not.toBe(first.metadata.resourceVersion);
    });

    test("of many updates from one version made at once, exactly one wins", async () => {
      const store = await open();
      const first = await store.create(nodeObject("n1"));
      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, (_, i) => store.update(withNodeId(first, String(i)))),
      );
      const won = outcomes.filter((outcome) => outcome.status === "fulfilled");
      expect(won).toHaveLength(1);
      expect(await store.get("PrismNode", "n1")).toEqual(won[0]?.value);
    });

    test("generation counts changes of spec, and of status only where both are one record", async () => {
      const store = await open();
      const first = await store.create(nodeObject("n1"));
      const second = await store.update(withNodeId(first, "one"));
      const third = await store.update({ ...second, spec: { ...second.spec, attributes: { rack: "7" } } });
      const generations = [second, third].map((object) => object.metadata.generation);
      expect(generations).toEqual(generationCountsStatus ? [2, 3] : [1, 2]);
    });

    test("an object made again under the same name can't be changed by who knew the old one", async () => {
      const store = await open();
      const old = await store.create(nodeObject("n1"));
      await store.delete("PrismNode", "n1", { uid: old.metadata.uid });
      const made = await store.create(nodeObject("n1"));
      const forged = {
        ...old,
        metadata: { ...old.metadata, resourceVersion: made.metadata.resourceVersion },
      };
      expect(await failure(store.update(forged))).toBe("conflict");
      expect(await failure(store.delete("PrismNode", "n1", { uid: old.metadata.uid }))).toBe("conflict");
    });

    test("a deletion with a version fails when the object changed", async () => {
      const store = await open();
      const first = await store.create(nodeObject("n1"));
      await store.update(withNodeId(first, "one"));
      const { uid, resourceVersion } = first.metadata;
      expect(await failure(store.delete("PrismNode", "n1", { uid, resourceVersion }))).toBe("conflict");
      await store.delete("PrismNode", "n1", { uid });
      expect(await store.get("PrismNode", "n1")).toBeUndefined();
      expect(await failure(store.delete("PrismNode", "n1", { uid }))).toBe("notFound");
    });

    test("an update of a missing object is refused", async () => {
      const store = await open();
      const first = await store.create(nodeObject("n1"));
      await store.delete("PrismNode", "n1", { uid: first.metadata.uid });
      expect(await failure(store.update(first))).toBe("notFound");
    });

    test("a list holds all objects of its kind, by name", async () => {
      const store = await open();
      await Promise.all(["n2", "n10", "n1"].map((name) => store.create(nodeObject(name))));
      const list = await store.list("PrismNode");
      expect(list.items.map((object) => object.metadata.name)).toEqual(["n1", "n10", "n2"]);
      expect((await store.list("PrismCollection")).items).toEqual([]);
    });

    test("a watch after a list misses nothing and tells changes in order", async () => {
      const store = await open();
      await store.create(nodeObject("n1"));
      const list = await store.list("PrismNode");
      const between = await store.create(nodeObject("n2"));
      const seen: ObjectChange<"PrismNode">[] = [];
      const stop = store.watch("PrismNode", list.resourceVersion, (change) => seen.push(change));
      const after = await store.update(withNodeId(between, "one"));
      await store.delete("PrismNode", "n2", { uid: after.metadata.uid });
      stop();
      await store.create(nodeObject("n3"));
      expect(seen.map((change) => [change.type, change.object.metadata.name])).toEqual([
        ["put", "n2"],
        ["put", "n2"],
        ["deleted", "n2"],
      ]);
    });

    test("a watcher has heard of a change when the writer is told that it is done", async () => {
      const store = await open();
      const seen: string[] = [];
      store.watch("PrismNode", (await store.list("PrismNode")).resourceVersion, (change) =>
        seen.push(change.object.metadata.name),
      );
      await store.create(nodeObject("n1"));
      expect(seen).toEqual(["n1"]);
    });

    test("a watch from a forgotten version says so", async () => {
      const store = await open();
      let object = await store.create(nodeObject("n1"));
      const { resourceVersion } = await store.list("PrismNode");
      for (let i = 0; i < remembered + 4; i += 200) {
        const batch = Array.from({ length: 199 }, (_, j) => store.create(nodeObject(`x-${i}-${j}`)));
        object = await store.update(withNodeId(object, String(i)));
        await Promise.all(batch);
      }
      expect(() => store.watch("PrismNode", resourceVersion, () => undefined)).toThrow("expired");
    });

    test("what was given out can't be changed from outside", async () => {
      const store = await open();
      const labels: Record<string, string> = { team: "x" };
      await store.create({ ...nodeObject("n1"), labels });
      labels["team"] = "y";
      expect((await store.get("PrismNode", "n1"))?.metadata.labels).toEqual({ team: "x" });
    });
  });
}
