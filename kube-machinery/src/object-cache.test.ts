import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { KubeObject, Stored } from "./kube-object.js";
import { ObjectCache, type CacheChange } from "./object-cache.js";

interface Thing extends KubeObject {
  readonly color: string;
  readonly nested?: { readonly list: readonly number[] };
}

function thing(name: string, uid: string, version: number, color = "red"): Stored<Thing> {
  const metadata = { namespace: "x", name, uid, resourceVersion: String(version), creationTimestamp: "" };
  return { apiVersion: "v1", kind: "Thing", metadata, color };
}

/** One step of what may reach a cache: the server moves on, the watch brings some of it, a write is heard, a list comes. */
type Step =
  | { readonly type: "write"; readonly name: string; readonly color: string; readonly isHeard: boolean }
  | { readonly type: "delete"; readonly name: string; readonly isHeard: boolean }
  | { readonly type: "watch"; readonly events: number }
  | { readonly type: "list" };

const name = fc.constantFrom("a", "b", "c");
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    type: fc.constant("write" as const),
    name,
    color: fc.constantFrom("red", "blue"),
    isHeard: fc.boolean(),
  }),
  fc.record({ type: fc.constant("delete" as const), name, isHeard: fc.boolean() }),
  fc.record({ type: fc.constant("watch" as const), events: fc.nat(5) }),
  fc.record({ type: fc.constant("list" as const) }),
);

class Server {
  readonly objects = new Map<string, Stored<Thing>>();
  history: { readonly type: "put" | "deleted"; readonly object: Stored<Thing> }[] = [];
  version = 100;

  write(name: string, color: string): Stored<Thing> {
    this.version += 1;
    const uid = this.objects.get(name)?.metadata.uid ?? `uid-${this.version}`;
    const object = thing(name, uid, this.version, color);
    this.objects.set(name, object);
    this.history.push({ type: "put", object });
    return object;
  }

  delete(name: string): Stored<Thing> | undefined {
    const object = this.objects.get(name);
    if (!object) return undefined;
    this.version += 1;
    this.objects.delete(name);
    const last = thing(name, object.metadata.uid, this.version, object.color);
    this.history.push({ type: "deleted", object: last });
    return object;
  }
}

function play(steps: readonly Step[]): { cache: ObjectCache<Thing, "color">; changes: CacheChange<Thing>[] } {
  const server = new Server();
  const cache = new ObjectCache<Thing, "color">({ indexers: { color: ({ color }) => [color] } });
  const changes: CacheChange<Thing>[] = [];
  cache.follow((change) => changes.push(change));
  let watched = 0;
  const watch = (events: number): void => {
    for (const { type, object } of server.history.slice(watched, watched + events)) {
      if (type === "put") cache.take(object);
      else cache.remove(object);
      watched += 1;
    }
  };
  for (const one of steps) {
    if (one.type === "write") {
      const object = server.write(one.name, one.color);
      if (one.isHeard) cache.heard(object);
    } else if (one.type === "delete") {
      const gone = server.delete(one.name);
      if (gone && one.isHeard) cache.heardGone(gone);
    } else if (one.type === "watch") watch(one.events);
    else {
      cache.replaceAll([...server.objects.values()], String(server.version));
      watched = server.history.length;
    }
    expectIndexesRight(cache);
  }
  watch(Infinity);
  expect([...cache.values()].map(({ metadata }) => metadata.resourceVersion).sort()).toEqual(
    [...server.objects.values()].map(({ metadata }) => metadata.resourceVersion).sort(),
  );
  return { cache, changes };
}

function expectIndexesRight(cache: ObjectCache<Thing, "color">): void {
  for (const color of ["red", "blue"])
    expect(new Set(cache.byIndex("color", color))).toEqual(
      new Set([...cache.values()].filter((object) => object.color === color)),
    );
  expect(new Set(cache.inNamespace("x"))).toEqual(new Set(cache.values()));
  for (const object of cache.values()) expect(cache.byUid(object.metadata.uid)).toBe(object);
}

describe("object cache", () => {
  test("ends like the server however lists, events and answers overtake each other, and handlers never see time go back", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { changes } = play(steps);
        const newest = new Map<string, number>();
        const gone = new Set<string>();
        for (const { type, object } of changes) {
          const { uid, resourceVersion } = object.metadata;
          expect(gone.has(uid)).toBe(false);
          if (type === "deleted") gone.add(uid);
          const isNewer = Number(resourceVersion) > (newest.get(uid) ?? 0);
          expect(isNewer || type === "deleted").toBe(true);
          newest.set(uid, Number(resourceVersion));
        }
      }),
      { numRuns: 500 },
    );
  });

  test("another object of the same name is told as an end and a beginning", () => {
    const cache = new ObjectCache<Thing>();
    const changes: string[] = [];
    cache.follow(({ type, object }) => changes.push(`${type} ${object.metadata.uid}`));
    cache.replaceAll([thing("a", "1", 5)], "5");
    cache.replaceAll([thing("a", "2", 9)], "9");
    expect(changes).toEqual(["put 1", "deleted 1", "put 2"]);
  });

  test("whoever begins to follow hears of all that there is, and of nothing after it stops", () => {
    const cache = new ObjectCache<Thing>();
    cache.take(thing("a", "1", 5));
    const names: string[] = [];
    const stop = cache.follow(({ object }) => names.push(object.metadata.name));
    stop();
    cache.take(thing("b", "2", 6));
    expect(names).toEqual(["a"]);
  });

  test("nobody can change what all share", () => {
    const cache = new ObjectCache<Thing>();
    cache.take({ ...thing("a", "1", 5), nested: { list: [1] } });
    const view = cache.get("x/a") as unknown as { color: string; nested: { list: number[] } };
    expect(() => view.nested.list.push(2)).toThrow(TypeError);
    expect(() => {
      view.color = "blue";
    }).toThrow(TypeError);
  });

  test("a server that was put back to a backup is believed: what came after it has never been", () => {
    const cache = new ObjectCache<Thing>();
    cache.replaceAll([thing("a", "1", 5, "red")], "5");
    cache.take(thing("a", "1", 8, "blue"));
    cache.take(thing("b", "2", 9));
    cache.replaceAll([thing("a", "1", 5, "red")], "6");
    expect([...cache.values()].map(({ metadata, color }) => `${metadata.name} ${color}`)).toEqual(["a red"]);
  });

  test("versions are compared as numbers of any length", () => {
    const cache = new ObjectCache<Thing>();
    cache.take(thing("a", "1", 9, "old"));
    cache.take(thing("a", "1", 10, "new"));
    expect(cache.get("x/a")?.color).toBe("new");
    expect([cache.hasReflected("9"), cache.hasReflected("10"), cache.hasReflected("11")]).toEqual([
      true,
      true,
      false,
    ]);
  });
});
