import fc from "fast-check";
import { expect, test } from "vitest";
import { EntrySizes } from "./entry-sizes.js";

test("lets through what a list of all sizes lets through, and always one entry", () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.nat(50).map((bytes) => ({ kind: "append" as const, by: bytes })) },
    { weight: 1, arbitrary: fc.nat(6).map((by) => ({ kind: "truncate" as const, by })) },
    { weight: 1, arbitrary: fc.nat(6).map((by) => ({ kind: "trim" as const, by })) },
  );
  fc.assert(
    fc.property(
      fc.nat(5),
      fc.array(step, { maxLength: 60 }),
      fc.nat(30),
      fc.nat(200),
      (start, steps, ago, bytes) => {
        const sizes = new EntrySizes(start);
        const known = new Map<number, number>();
        let [baseSeq, lastSeq] = [0, start];
        for (const { kind, by } of steps) {
          if (kind === "append") {
            lastSeq += 1;
            known.set(lastSeq, by);
            sizes.append(by);
          } else if (kind === "truncate") {
            lastSeq = Math.max(baseSeq, lastSeq - by);
            for (const seq of known.keys()) if (seq > lastSeq) known.delete(seq);
            sizes.truncateAfter(lastSeq);
          } else {
            baseSeq = Math.min(lastSeq, baseSeq + by);
            sizes.trimThrough(baseSeq);
          }
        }
        const from = Math.max(baseSeq, lastSeq - ago);
        let wanted = from;
        // What was there before the start has no known size, and counts nothing.
        for (let sum = 0; wanted < lastSeq; wanted += 1) {
          sum += known.get(wanted + 1) ?? 0;
          if (sum > bytes) break;
        }
        expect(Math.min(lastSeq, sizes.lastWithin(from, bytes))).toBe(
          Math.min(lastSeq, Math.max(from + 1, wanted)),
        );
      },
    ),
    { numRuns: 500 },
  );
});
