import { expect, test } from "vitest";
import { RequestPace } from "./request-pace.js";

const REMOVAL = { shardUid: "s", action: "removeCopy", allocationId: "a", term: 1, reason: "ReplicaTimeout" };

function admitted(pace: RequestPace, request: typeof REMOVAL, untilMs: number): number[] {
  const times: number[] = [];
  for (let nowMs = 0; nowMs <= untilMs; nowMs += 250) if (pace.admits(request, nowMs)) times.push(nowMs);
  return times;
}

test("a removal that is asked for all the time is sent at pauses that double, up to two seconds", () => {
  expect(admitted(new RequestPace(), REMOVAL, 8000)).toEqual([0, 250, 750, 1750, 3750, 5750, 7750]);
});

test("each copy and each term has a pace of its own, and other requests have none", () => {
  const pace = new RequestPace();
  for (const other of [{}, { allocationId: "b" }, { term: 2 }, { shardUid: "t" }])
    expect(pace.admits({ ...REMOVAL, ...other }, 0)).toBe(true);
  expect(pace.admits(REMOVAL, 100)).toBe(false);
  const addition = { ...REMOVAL, action: "addInSync" };
  expect([0, 1, 2].every((nowMs) => pace.admits(addition, nowMs))).toBe(true);
});

test("what was not asked for a while, or of somebody else, is sent at once", () => {
  const pace = new RequestPace();
  expect(pace.admits(REMOVAL, 0)).toBe(true);
  expect(pace.admits(REMOVAL, 4000)).toBe(true);
  expect(pace.admits(REMOVAL, 4100)).toBe(false);
  pace.clear();
  expect(pace.admits(REMOVAL, 4100)).toBe(true);
});
