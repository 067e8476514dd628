import { expect, it } from "vitest";
import type { NodeId } from "../domain/shard-record.js";
import { ofSlowCopy, toShardRequest } from "./copy-request.js";

const TIMEOUT_MS = 1000;

function removal(reason: string) {
  const wire = { shardUid: "s", action: "removeCopy", allocationId: "b", term: 3, reason };
  return toShardRequest(wire, "node-a" as NodeId)!;
}

it("a silent copy is slow when its node was heard of since it fell silent, and else is silent", () => {
  const reasonAfter = (silenceMs: number | undefined): string =>
    ofSlowCopy(removal("ReplicaTimeout"), silenceMs, TIMEOUT_MS).reason;
  expect(reasonAfter(0)).toBe("TooSlow");
  expect(reasonAfter(TIMEOUT_MS - 1)).toBe("TooSlow");
  expect(reasonAfter(TIMEOUT_MS)).toBe("ReplicaTimeout");
  expect(reasonAfter(undefined)).toBe("ReplicaTimeout");
});

it("a copy that leaves for another reason leaves for that, whatever its node says", () => {
  for (const reason of ["ReplicaDisconnected", "TooSlow", "JoinGivenUp"]) {
    expect(ofSlowCopy(removal(reason), 0, TIMEOUT_MS)).toEqual(removal(reason));
  }
});

it("a request of an action that is not known is none", () => {
  const wire = { shardUid: "s", action: "rename", allocationId: "b", term: 3, reason: "" };
  expect(toShardRequest(wire, "node-a" as NodeId)).toBeUndefined();
});
