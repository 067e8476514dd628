import { expect, test } from "vitest";
import type { ProtocolEvent } from "../domain/protocol-event.js";
import { ProtocolEvents } from "./protocol-events.js";

function event(shard: string, atMs: number): ProtocolEvent {
  return { shard, atMs, allocation: "a1", what: "ready", details: {} };
}

test("the newest thousand events of a shard are kept, and events of other shards push none of them out", () => {
  const events = new ProtocolEvents();
  events.add(event("quiet", 0));
  for (let atMs = 1; atMs <= 1500; atMs += 1) events.add(event("busy", atMs));
  expect(events.describe("busy").map(({ atMs }) => atMs)).toEqual(
    Array.from({ length: 1000 }, (_, i) => 501 + i),
  );
  expect(events.describe("quiet")).toHaveLength(1);
  expect(events.describe("unknown")).toEqual([]);
});

test("events of all shards come in the order of their times", () => {
  const events = new ProtocolEvents();
  for (const [shard, atMs] of [
    ["a", 1],
    ["b", 2],
    ["a", 3],
  ] as const)
    events.add(event(shard, atMs));
  expect(events.describe(undefined).map(({ atMs }) => atMs)).toEqual([1, 2, 3]);
});

test("shards that have been silent for longest are forgotten first", () => {
  const events = new ProtocolEvents();
  for (let i = 0; i < 2000; i += 1) events.add(event(`s${i}`, i));
  events.add(event("s0", 2000));
  events.add(event("new", 2001));
  expect([events.describe("s0").length, events.describe("s1").length, events.describe("s2").length]).toEqual([
    2, 0, 1,
  ]);
});
