import { expect, test } from "vitest";
import { Expectations } from "./expectations.js";
import type { KubeObject, Stored } from "./kube-object.js";
import { ObjectCache } from "./object-cache.js";

function object(name: string, uid: string, version: number, deletionTimestamp?: string): Stored {
  const metadata = {
    namespace: "x",
    name,
    uid,
    resourceVersion: String(version),
    creationTimestamp: "",
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
  };
  return { apiVersion: "v1", kind: "Thing", metadata };
}

function setup(): {
  cache: ObjectCache<KubeObject>;
  expectations: Expectations<KubeObject>;
  pass: (ms: number) => void;
} {
  let nowMs = 0;
  const cache = new ObjectCache<KubeObject>();
  const expectations = new Expectations(cache, { timeoutMs: 1_000, now: () => nowMs });
  return {
    cache,
    expectations,
    pass: (ms) => {
      nowMs += ms;
    },
  };
}

test("a scope waits until the cache shows its writes, each its own", () => {
  const { cache, expectations } = setup();
  expectations.written("one", object("a", "1", 5));
  expectations.written("one", object("b", "2", 6));
  expectations.written("two", object("c", "3", 7));
  cache.take(object("a", "1", 5));
  expect([expectations.outlook("one"), expectations.outlook("two")]).toEqual(["waiting", "waiting"]);
  cache.take(object("b", "2", 6));
  expect([expectations.outlook("one"), expectations.outlook("two")]).toEqual(["seen", "waiting"]);
  expect(expectations.outlook("other")).toBe("seen");
});

test("of two writes to one object the later one counts", () => {
  const { cache, expectations } = setup();
  expectations.written("one", object("a", "1", 5));
  expectations.written("one", object("a", "1", 8));
  cache.take(object("a", "1", 5));
  expect(expectations.outlook("one")).toBe("waiting");
  cache.take(object("a", "1", 9));
  expect(expectations.outlook("one")).toBe("seen");
});

test("an object that somebody deleted before the cache ever showed it is not waited for", () => {
  const { cache, expectations } = setup();
  expectations.written("one", object("a", "1", 5));
  cache.take(object("other", "9", 6));
  expect(expectations.outlook("one")).toBe("seen");
});

test("a deletion is seen when the object is gone, is another, or is on its way", () => {
  for (const after of ["gone", "another", "going"] as const) {
    const { cache, expectations } = setup();
    const victim = object("a", "1", 5);
    cache.take(victim);
    expectations.deleted("one", { namespace: "x", name: "a", uid: "1" });
    expect(expectations.outlook("one")).toBe("waiting");
    if (after === "gone") cache.remove(object("a", "1", 6));
    if (after === "another") cache.replaceAll([object("a", "2", 7)], "7");
    if (after === "going") cache.take(object("a", "1", 6, "2026-01-01T00:00:00Z"));
    expect(expectations.outlook("one")).toBe("seen");
  }
});

test("what the cache does not show in time is overdue, until it is forgotten", () => {
  const { expectations, pass } = setup();
  expectations.written("one", object("a", "1", 5));
  pass(999);
  expect(expectations.outlook("one")).toBe("waiting");
  pass(1);
  expect(expectations.outlook("one")).toBe("overdue");
  expectations.forget("one");
  expect(expectations.outlook("one")).toBe("seen");
});
