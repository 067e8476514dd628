import { describe, expect, it } from "vitest";
import { emptyCopy } from "./shard-copy.js";
import { A, B, Bench, HISTORY, SHARD, map, replicate } from "./testing/copy-bench.js";

describe("a term", () => {
  it("is taken up by the copy it names, though that had learnt of it from a message before the map", () => {
    const bench = new Bench(emptyCopy(SHARD, A, HISTORY));
    bench.receive(B, 2, { kind: "higherTerm" });
    expect(bench.view).toMatchObject({ role: "replica", term: 2 });
    bench.step({ kind: "map", map: map({ version: 2, term: 2 }) });
    expect(bench.view).toMatchObject({ role: "primary", term: 2 });
  });

  it("is not taken up any more once a later one is known", () => {
    const bench = new Bench(emptyCopy(SHARD, A, HISTORY));
    bench.receive(B, 3, { kind: "higherTerm" });
    bench.step({ kind: "map", map: map({ version: 2, term: 2 }) });
    expect(bench.view).toMatchObject({ role: "replica", term: 3 });
  });

  it("is not answered with a higher one when that is what the message says", () => {
    const bench = new Bench({ ...emptyCopy(SHARD, A, HISTORY), term: 5 });
    expect(bench.receive(B, 4, { kind: "higherTerm" })).toEqual([]);
    expect(bench.receive(B, 4, replicate(0, 0, []))).toMatchObject([
      { kind: "send", message: { to: B, term: 5, body: { kind: "higherTerm" } } },
    ]);
  });
});
