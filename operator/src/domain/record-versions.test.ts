import fc from "fast-check";
import { expect, test } from "vitest";
import { RecordVersions } from "./record-versions.js";

const SHARD = fc.record({ collectionUid: fc.constantFrom("a", "b"), number: fc.nat(4) });
const STEP = fc.record({ shard: SHARD, version: fc.integer({ min: 1, max: 9 }), forget: fc.boolean() });

test("keeps the highest of what it is told, as a map by shard would, and comes back from its text the same", () => {
  const property = fc.property(fc.array(STEP), (steps) => {
    const versions = new RecordVersions();
    const plain = new Map<string, number>();
    for (const { shard, version, forget } of steps) {
      const key = `${shard.collectionUid}/${shard.number}`;
      if (forget) {
        versions.forget(shard);
        plain.delete(key);
        continue;
      }
      const before = plain.get(key) ?? 0;
      expect(versions.raise(shard, version)).toBe(version > before);
      plain.set(key, Math.max(before, version));
    }
    const data = versions.toData();
    const again = RecordVersions.fromData(data);
    for (const collectionUid of ["a", "b"]) {
      for (let number = 0; number < 5; number += 1) {
        const expected = plain.get(`${collectionUid}/${number}`) ?? 0;
        expect(versions.of({ collectionUid, number })).toBe(expected);
        expect(again.of({ collectionUid, number })).toBe(expected);
      }
    }
    expect(again.toData()).toEqual(data);
    expect(Object.keys(data).length).toBe(new Set([...plain.keys()].map((key) => key[0])).size);
  });
  fc.assert(property, { numRuns: 300 });
});

test("takes the higher of two for each shard", () => {
  const versions = RecordVersions.fromData({ a: "5,2" });
  versions.raiseAll(RecordVersions.fromData({ a: "3,,9", b: "1" }));
  expect(versions.toData()).toEqual({ a: "5,2,9", b: "1" });
});

test("10,000 shards whose records were all made again once take a tenth of what an object may have", () => {
  const versions = new RecordVersions();
  for (let shard = 0; shard < 10_000; shard += 1) {
    versions.raise(
      { collectionUid: `collection-${shard % 100}`, number: Math.floor(shard / 100) },
      1_000_017,
    );
  }
  expect(JSON.stringify(versions.toData()).length).toBeLessThan(1024 * 1024 * 0.1);
});

test("does not guess at an entry that is damaged", () => {
  expect(() => RecordVersions.fromData({ a: "5,x" })).toThrow(/a is "5,x"/);
});
