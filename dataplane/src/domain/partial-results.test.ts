import type { ShardFailure } from "@prism/api/search";
import { describe, expect, it } from "vitest";
import { refusePartial, summarizeShards } from "./partial-results.js";

const failure = (shard: number): ShardFailure => ({ shard, node: "n2", reason: "timeout", detail: "late" });
const partial = { allowPartialResults: true, minSuccessfulShards: 1 };

describe("partial results", () => {
  it("name the failed shards by number", () => {
    expect(summarizeShards(4, [failure(3), failure(1)])).toEqual({
      total: 4,
      successful: 2,
      failed: 2,
      failures: [failure(1), failure(3)],
    });
  });

  it("are an answer while enough shards gave one", () => {
    expect(refusePartial(summarizeShards(3, [failure(0)]), partial)).toBeUndefined();
    expect(refusePartial(summarizeShards(3, []), { ...partial, allowPartialResults: false })).toBeUndefined();
    const demanding = { ...partial, minSuccessfulShards: 3 };
    expect(refusePartial(summarizeShards(3, [failure(0)]), demanding)?.code).toBe("partialResults");
  });

  it("are refused when all shards failed, unless the request wants none", () => {
    const none = summarizeShards(1, [failure(0)]);
    expect(refusePartial(none, partial)?.detail).toContain("shard 0 on n2: timeout");
    expect(refusePartial(none, { ...partial, minSuccessfulShards: 0 })).toBeUndefined();
  });

  it("are refused when the request does not allow them", () => {
    const refusal = refusePartial(summarizeShards(3, [failure(0)]), {
      ...partial,
      allowPartialResults: false,
    });
    expect(refusal?.code).toBe("partialResults");
  });

  it("need no more shards than the collection has", () => {
    const demanding = { ...partial, minSuccessfulShards: 10 };
    expect(refusePartial(summarizeShards(3, []), demanding)).toBeUndefined();
  });
});
