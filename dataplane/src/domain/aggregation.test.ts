import fc from "fast-check";
import { expect, test } from "vitest";
import { mergeAggregations, type AggregationRequest, type PartialAggregation } from "./aggregation.js";

/** A shard's part, computed the dumb way; `limit` is the shard's bucket limit. */
function partOf(request: AggregationRequest, values: readonly number[], limit: number): PartialAggregation {
  switch (request.kind) {
    case "stats":
      return {
        kind: "stats",
        count: values.length,
        sum: values.reduce((sum, value) => sum + value, 0),
        min: values.length === 0 ? null : Math.min(...values),
        max: values.length === 0 ? null : Math.max(...values),
      };
    case "histogram":
      return {
        kind: "histogram",
        buckets: countsOf(
          values.map(
            (v) => Math.floor((v - request.offset) / request.interval) * request.interval + request.offset,
          ),
        ),
      };
    case "terms": {
      const all = countsOf(values).sort((a, b) => b[1] - a[1]);
      const cut = all.slice(limit);
      return {
        kind: "terms",
        buckets: all.slice(0, limit),
        otherCount: cut.reduce((sum, [, count]) => sum + count, 0),
        cutCount: cut[0]?.[1] ?? 0,
      };
    }
  }
}

function countsOf(values: readonly number[]): [number, number][] {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts];
}

const shards = fc.array(fc.array(fc.integer({ min: -20, max: 20 }), { maxLength: 60 }), {
  minLength: 1,
  maxLength: 5,
});
const requests: fc.Arbitrary<AggregationRequest> = fc.oneof(
  fc.record({
    kind: fc.constant("terms" as const),
    field: fc.constant("f"),
    size: fc.integer({ min: 1, max: 50 }),
  }),
  fc.record({
    kind: fc.constant("histogram" as const),
    field: fc.constant("f"),
    interval: fc.integer({ min: 1, max: 9 }),
    offset: fc.integer({ min: -3, max: 3 }),
  }),
  fc.record({ kind: fc.constant("stats" as const), field: fc.constant("f") }),
);

test("parts of any partition merge to what one shard with all values answers", () => {
  fc.assert(
    fc.property(requests, shards, (request, partition) => {
      const parts = partition.map((values) => partOf(request, values, Infinity));
      const whole = partOf(request, partition.flat(), Infinity);
      expect(mergeAggregations(request, parts)).toEqual(mergeAggregations(request, [whole]));
    }),
  );
});

test("counts cut at a shard's limit are wrong by no more than the error bound", () => {
  fc.assert(
    fc.property(shards, fc.integer({ min: 1, max: 6 }), (partition, limit) => {
      const request = { kind: "terms", field: "f", size: 5 } as const;
      const merged = mergeAggregations(
        request,
        partition.map((values) => partOf(request, values, limit)),
      );
      if (!("errorBound" in merged)) throw new Error("terms have an error bound");
      const truth = new Map(countsOf(partition.flat()));
      let shown = 0;
      for (const { key, count } of merged.buckets) {
        const exact = truth.get(Number(key)) ?? 0;
        expect(count).toBeLessThanOrEqual(exact);
        expect(exact - count).toBeLessThanOrEqual(merged.errorBound);
        truth.delete(Number(key));
        shown += count;
      }
      const last = merged.buckets.length < 5 ? 0 : merged.buckets.at(-1)!.count;
      for (const missed of truth.values()) expect(missed).toBeLessThanOrEqual(last + merged.errorBound);
      expect(shown + merged.otherCount).toBe(partition.flat().length);
    }),
  );
});

test("equal counts are ordered by key, strings in byte order", () => {
  const part: PartialAggregation = {
    kind: "terms",
    buckets: [
      ["😀", 1],
      ["\uffff", 1],
      ["a", 1],
      ["z", 2],
    ],
    otherCount: 0,
    cutCount: 0,
  };
  expect(mergeAggregations({ kind: "terms", field: "f", size: 10 }, [part])).toEqual({
    buckets: [
      { key: "z", count: 2 },
      { key: "a", count: 1 },
      { key: "\uffff", count: 1 },
      { key: "😀", count: 1 },
    ],
    otherCount: 0,
    errorBound: 0,
  });
});

test("statistics of no values have neither extremes nor an average", () => {
  const empty: PartialAggregation = { kind: "stats", count: 0, sum: 0, min: null, max: null };
  expect(mergeAggregations({ kind: "stats", field: "f" }, [empty, empty])).toEqual({
    count: 0,
    sum: 0,
    min: null,
    max: null,
    mean: null,
  });
});

test("a part of another kind than the request's is a broken assumption", () => {
  const stats: PartialAggregation = { kind: "stats", count: 0, sum: 0, min: null, max: null };
  expect(() => mergeAggregations({ kind: "terms", field: "f", size: 1 }, [stats])).toThrow(/asked for/);
});
