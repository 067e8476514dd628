import { describe, expect, test } from "vitest";
import { WorkQueue } from "./work-queue.js";

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const DONE = { againInMs: undefined };

describe("work queue", () => {
  test("a key that is added while it is worked on is done once more after, never twice at once", async () => {
    const gate = deferred();
    let running = 0;
    let passes = 0;
    const queue = new WorkQueue({
      onError: () => undefined,
      work: async () => {
        running += 1;
        expect(running).toBe(1);
        passes += 1;
        await gate.promise;
        running -= 1;
        return DONE;
      },
    });
    queue.start();
    for (let i = 0; i < 5; i += 1) queue.add("a");
    gate.resolve();
    await turn();
    expect(passes).toBe(2);
  });

  test("keys are worked on at the same time up to the concurrency", async () => {
    const gate = deferred();
    const begun: string[] = [];
    const queue = new WorkQueue({
      concurrency: 2,
      onError: () => undefined,
      work: async (key) => {
        begun.push(key);
        await gate.promise;
        return DONE;
      },
    });
    for (const key of ["a", "b", "c"]) queue.add(key);
    expect(begun).toEqual([]);
    queue.start();
    expect(begun).toEqual(["a", "b"]);
    gate.resolve();
    await turn();
    expect(begun).toEqual(["a", "b", "c"]);
  });

  test("an urgent key comes before those that wait, also when it was waiting among them", async () => {
    const done: string[] = [];
    const queue = new WorkQueue({
      onError: () => undefined,
      concurrency: 1,
      work: async (key) => {
        done.push(key);
        await turn();
        return DONE;
      },
    });
    for (const key of ["a", "b", "c"]) queue.add(key);
    queue.addFirst("c");
    queue.addFirst("d");
    queue.add("d");
    queue.start();
    await expect.poll(() => queue.depth).toBe(0);
    expect(done).toEqual(["c", "d", "a", "b"]);
  });

  test("a key that fails is tried again, and its error is told", async () => {
    const errors: unknown[] = [];
    const succeeded = deferred();
    let passes = 0;
    const queue = new WorkQueue({
      onError: (_key, error) => errors.push(error),
      work: async () => {
        passes += 1;
        if (passes < 3) throw new Error(`pass ${passes}`);
        succeeded.resolve();
        return DONE;
      },
    });
    queue.start();
    queue.add("a");
    await succeeded.promise;
    expect(errors.map(String)).toEqual(["Error: pass 1", "Error: pass 2"]);
  });

  test("a stopped queue ends what runs and begins nothing", async () => {
    const gate = deferred();
    let passes = 0;
    const queue = new WorkQueue({
      onError: () => undefined,
      work: async () => {
        passes += 1;
        await gate.promise;
        return { againInMs: 0 };
      },
    });
    queue.start();
    queue.add("a");
    queue.add("a");
    const stopped = queue.stop();
    gate.resolve();
    await stopped;
    queue.add("b");
    await turn();
    expect(passes).toBe(1);
  });
});
