import { expect, test } from "vitest";
import type { ListOptions, WatchEvent, WatchOptions } from "./api-client.js";
import type { KubeObject, Stored } from "./kube-object.js";
import { ObjectCache } from "./object-cache.js";
import { Reflector } from "./reflector.js";
import type { Resource } from "./resource.js";

const THINGS: Resource = { group: "", version: "v1", kind: "Thing", plural: "things", namespaced: false };

function thing(name: string, version: string): Stored {
  return {
    apiVersion: "v1",
    kind: "Thing",
    metadata: { name, uid: name, resourceVersion: version, creationTimestamp: "" },
  };
}

/** Each watch brings the next of `watches` and then waits for its end. */
function setup(lists: { items: Stored[]; resourceVersion: string }[], watches: WatchEvent<KubeObject>[][]) {
  const asked: (ListOptions | WatchOptions)[] = [];
  const client = {
    list: async (_: Resource, options: ListOptions = {}) => {
      asked.push(options);
      return { ...lists.shift()!, nextPage: undefined };
    },
    async *watch(_: Resource, options: WatchOptions): AsyncGenerator<WatchEvent<KubeObject>> {
      asked.push(options);
      for (const event of watches.shift() ?? []) yield event;
      await new Promise((_, reject) => {
        options.signal?.addEventListener("abort", () => reject(options.signal?.reason as Error));
      });
    },
  };
  const cache = new ObjectCache<KubeObject>();
  const reflector = new Reflector<KubeObject>({
    client: client as never,
    resource: THINGS,
    sink: cache,
    backoff: { baseMs: 1, maxMs: 2 },
    random: () => 0.5,
  });
  return { asked, cache, reflector };
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setTimeout(resolve, 1));
}

test("a watch that goes back in time is one of a restored server: everything is listed again", async () => {
  const { asked, cache, reflector } = setup(
    [
      { items: [thing("a", "50")], resourceVersion: "60" },
      { items: [thing("b", "20")], resourceVersion: "30" },
    ],
    [[{ type: "BOOKMARK", resourceVersion: "25" }]],
  );
  reflector.start();
  for (let i = 0; i < 100 && cache.get("b") === undefined; i++) await turns(1);
  expect([...cache.values()].map(({ metadata }) => metadata.name)).toEqual(["b"]);
  expect(asked.map((options) => options.resourceVersion)).toEqual([undefined, "60", undefined, "30"]);
  await reflector.stop();
});

test("bookmarks move on where the next watch begins, and watches last between 240 and 360 s", async () => {
  const { asked, reflector, cache } = setup(
    [{ items: [], resourceVersion: "5" }],
    [
      [
        { type: "BOOKMARK", resourceVersion: "90" },
        { type: "ADDED", object: thing("a", "95") },
      ],
    ],
  );
  reflector.start();
  for (let i = 0; i < 100 && cache.size === 0; i++) await turns(1);
  await reflector.stop();
  expect((asked[1] as WatchOptions).timeoutSeconds).toBe(300);
  expect((asked[1] as WatchOptions).inactivityTimeoutMs).toBe(45_000);
  expect(reflector.silentMs).toBeLessThan(10_000);
});

test("waiting for the first list can be given up", async () => {
  const { reflector } = setup([], []);
  await expect(reflector.synced(AbortSignal.timeout(5))).rejects.toThrow("timeout");
  expect(reflector.hasSynced).toBe(false);
});
