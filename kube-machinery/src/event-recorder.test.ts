import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ApiError } from "./api-error.js";
import { EventRecorder, microTime, type KubeEvent } from "./event-recorder.js";
import type { KubeObject, Stored } from "./kube-object.js";

const regarding: Stored = {
  apiVersion: "v1",
  kind: "Thing",
  metadata: { namespace: "x", name: "one", uid: "1", resourceVersion: "5", creationTimestamp: "" },
};

function event(note: string): KubeEvent {
  return { regarding, type: "Normal", reason: "Grew", action: "Grow", note };
}

/** Answers by turns: an error is thrown, undefined is success. */
function setup(answers: (Error | undefined)[] = [], capacity?: number) {
  const sent: string[] = [];
  const dropped: unknown[] = [];
  const answer = async (what: string): Promise<never> => {
    sent.push(what);
    const failure = answers.shift();
    if (failure) throw failure;
    return undefined as never;
  };
  const recorder = new EventRecorder({
    client: {
      create: (_, object) => answer(`create ${(object as unknown as { note: string }).note}`),
      patch: (_, __, patch) =>
        answer(`patch ${patch.type === "merge" ? (patch.body["series"] as { count: number }).count : ""}`),
    },
    controller: "example.com/c",
    instance: "i",
    ...(capacity === undefined ? {} : { capacity }),
    onError: (error) => dropped.push(error),
  });
  return { recorder, sent, dropped };
}

const unreachable = (): ApiError => new ApiError({ status: 0, reason: "Unreachable", message: "gone" });

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test("the same event again is counted, and told once in ten seconds", async () => {
  const { recorder, sent } = setup();
  for (let i = 0; i < 4; i++) recorder.record(event("a"));
  await vi.advanceTimersByTimeAsync(9_000);
  expect(sent).toEqual(["create a"]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(sent).toEqual(["create a", "patch 4"]);
});

test("after six quiet minutes it is a new one", async () => {
  const { recorder, sent } = setup();
  recorder.record(event("a"));
  await vi.advanceTimersByTimeAsync(361_000);
  recorder.record(event("a"));
  await vi.advanceTimersByTimeAsync(0);
  expect(sent).toEqual(["create a", "create a"]);
});

test("a series whose first event has expired begins with a new one", async () => {
  const { recorder, sent } = setup([
    undefined,
    new ApiError({ status: 404, reason: "NotFound", message: "no such event" }),
  ]);
  recorder.record(event("a"));
  await vi.advanceTimersByTimeAsync(0);
  recorder.record(event("a"));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(sent).toEqual(["create a", "patch 2", "create a"]);
});

test("a server that is away is tried again in order; after five times the event is given up and told", async () => {
  const { recorder, sent, dropped } = setup(Array.from({ length: 5 }, unreachable));
  recorder.record(event("a"));
  recorder.record(event("b"));
  await vi.advanceTimersByTimeAsync(20_000);
  expect(sent).toEqual([...Array<string>(5).fill("create a"), "create b"]);
  expect(dropped).toHaveLength(1);
});

test("an event that the server refuses is not sent again", async () => {
  const { recorder, sent, dropped } = setup([
    new ApiError({ status: 403, reason: "Forbidden", message: "namespace is being terminated" }),
  ]);
  recorder.record(event("a"));
  await vi.advanceTimersByTimeAsync(20_000);
  expect(sent).toEqual(["create a"]);
  expect(dropped).toHaveLength(1);
});

test("a full queue drops what comes and counts it: nobody waits and nothing grows", () => {
  const { recorder } = setup([], 10);
  for (let i = 0; i < 100; i++) recorder.record({ ...event(""), reason: String(i) });
  // One is being written.
  expect(recorder.dropped).toBe(89);
});

test("events that differ in their details alone are one after the tenth", async () => {
  const { recorder, sent } = setup();
  for (let i = 0; i < 50; i++) recorder.record(event(`after ${i} ms`));
  recorder.record({ ...event("after 1 ms"), reason: "Shrank" });
  await vi.advanceTimersByTimeAsync(11_000);
  expect(sent.slice(0, 10)).toEqual(Array.from({ length: 10 }, (_, i) => `create after ${i} ms`));
  expect(sent.slice(10)).toEqual(["create more of these, each with other details", "create after 1 ms"]);
});

test("at the end what waits is written, within the grace given", async () => {
  const { recorder, sent } = setup();
  recorder.record(event("a"));
  recorder.record(event("a"));
  const stopped = recorder.stop();
  await vi.advanceTimersByTimeAsync(1_000);
  await stopped;
  recorder.record(event("late"));
  await vi.advanceTimersByTimeAsync(20_000);
  expect(sent).toEqual(["create a", "patch 2"]);
  const stuck = setup(Array.from({ length: 5 }, unreachable));
  stuck.recorder.record(event("a"));
  const ended = stuck.recorder.stop(100);
  await vi.advanceTimersByTimeAsync(150);
  await ended;
  expect(stuck.sent.length).toBeLessThan(3);
});

test("times have the six digits that the API demands", () => {
  const object: KubeObject = regarding;
  expect(object.kind).toBe("Thing");
  expect(microTime(Date.UTC(2026, 0, 1, 0, 0, 0, 5))).toBe("2026-01-01T00:00:00.005000Z");
});
