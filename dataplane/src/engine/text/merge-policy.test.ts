import fc from "fast-check";
import { expect, test } from "vitest";
import { planMerge, type SegmentSize } from "./merge-policy.js";

const sealed: SegmentSize = { documents: 2000, removedDocuments: 0, postings: 2 ** 17 };

function mergeAll(start: readonly SegmentSize[]): {
  readonly segments: SegmentSize[];
  readonly written: number;
} {
  const segments = [...start];
  let written = 0;
  for (let merges = 0; merges < 10_000; merges += 1) {
    const run = planMerge(segments);
    if (run === undefined) return { segments, written };
    const sources = segments.slice(run.from, run.to);
    const postings = sources.reduce((sum, source) => sum + source.postings, 0);
    const documents = sources.reduce((sum, source) => sum + source.documents - source.removedDocuments, 0);
    written += postings;
    segments.splice(
      run.from,
      sources.length,
      ...(documents > 0 ? [{ documents, removedDocuments: 0, postings }] : []),
    );
  }
  throw new Error("merging does not end");
}

test("Seven segments of one level are left alone, eight become one.", () => {
  expect(planMerge(Array.from({ length: 7 }, () => sealed))).toBeUndefined();
  expect(planMerge(Array.from({ length: 8 }, () => sealed))).toEqual({ from: 0, to: 8 });
});

test("A segment with a third of its documents removed is written anew.", () => {
  expect(planMerge([sealed, { ...sealed, removedDocuments: 666 }])).toBeUndefined();
  expect(planMerge([sealed, { ...sealed, removedDocuments: 667 }])).toEqual({ from: 1, to: 2 });
});

test("A merge above the size limit is not begun.", () => {
  expect(planMerge(Array.from({ length: 8 }, () => ({ ...sealed, postings: 2 ** 26 })))).toBeUndefined();
  expect(planMerge(Array.from({ length: 8 }, () => ({ ...sealed, documents: 2 ** 22 })))).toBeUndefined();
});

test("Merging ends, with few segments, whatever their sizes.", () => {
  const size = fc
    .record({
      documents: fc.integer({ min: 1, max: 5000 }),
      postings: fc.integer({ min: 1, max: 2 ** 20 }),
      gone: fc.nat(100),
    })
    .map(({ documents, postings, gone }) => ({
      documents,
      removedDocuments: Math.floor((documents * gone) / 100),
      postings,
    }));
  fc.assert(
    fc.property(fc.array(size, { maxLength: 200 }), (sizes) => {
      const { segments } = mergeAll(sizes);
      expect(planMerge(segments)).toBeUndefined();
      expect(segments.length).toBeLessThan(60);
    }),
  );
});

test("Sealing one segment after the other writes each posting once per level.", () => {
  let segments: SegmentSize[] = [];
  let written = 0;
  for (let i = 0; i < 512; i += 1) {
    const merged = mergeAll([...segments, sealed]);
    segments = merged.segments;
    written += merged.written;
  }
  expect(segments.length).toBe(1);
  expect(written).toBe(3 * 512 * sealed.postings);
});
