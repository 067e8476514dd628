import { LIMITS } from "@prism/api/limits";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  bucketOf,
  BUCKETS,
  DIGEST_BYTES,
  differingBuckets,
  differingDocuments,
  indexesComplete,
  markerOf,
  operationsEqual,
  verificationOf,
  type CopyReading,
  type ListedDocument,
} from "./verification.js";

function reading(change: Partial<CopyReading> = {}): CopyReading {
  const digests = new Uint8Array(BUCKETS * DIGEST_BYTES);
  return { documents: 3, indexed: 3, digests, operationsDigest: Uint8Array.of(1), ...change };
}

function listed(id: string, seq: number, ...digest: number[]): ListedDocument {
  return { id, term: 1, seq, digest: Uint8Array.from(digest) };
}

describe("comparing copies", () => {
  test("finds exactly the buckets in which any copy differs", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(2), fc.nat(BUCKETS - 1), fc.nat(DIGEST_BYTES - 1)), { maxLength: 8 }),
        (flips) => {
          const copies = [reading(), reading(), reading()];
          const expected = new Set<number>();
          for (const [copy, bucket, byte] of flips) {
            copies[copy]!.digests[bucket * DIGEST_BYTES + byte] = copy + 1;
            expected.add(bucket);
          }
          expect(differingBuckets(copies)).toEqual([...expected].sort((a, b) => a - b));
        },
      ),
    );
  });

  test("of one copy or none finds nothing", () => {
    expect(differingBuckets([])).toEqual([]);
    expect(differingBuckets([reading()])).toEqual([]);
    expect(operationsEqual([reading()])).toBe(true);
  });

  test("sees operations that differ, and indexes that lack documents", () => {
    expect(operationsEqual([reading(), reading({ operationsDigest: Uint8Array.of(2) })])).toBe(false);
    expect(indexesComplete([reading(), reading({ indexed: 2 })])).toBe(false);
    expect(indexesComplete([reading(), reading()])).toBe(true);
  });

  test("names documents that are other, missing, of another version or damaged, by id", () => {
    const first = [
      listed("a", 1, 7),
      listed("b", 2, 7),
      listed("c", 3, 7),
      listed("e", 5),
      listed("f", 6, 1),
    ];
    const second = [
      listed("a", 1, 7),
      listed("b", 2, 8),
      listed("d", 4, 7),
      listed("e", 5),
      listed("f", 7, 1),
    ];
    const differences = differingDocuments([first, second]);
    expect(differences.map(({ id }) => id)).toEqual(["b", "c", "d", "e", "f"]);
    expect(differences[1]?.copies).toEqual([listed("c", 3, 7), undefined]);
  });
});

test("a marker is known in the log by its operation id, and nothing else is", () => {
  const { operationId } = markerOf("v1");
  expect(verificationOf(`${operationId}#x1y2`)).toBe("v1");
  expect(verificationOf(operationId)).toBe("v1");
  expect(verificationOf("01890a5d-ac96-774b-bcce-b302099a8057#k")).toBeUndefined();
});

test("a marker fits the smallest limits that a node can have", () => {
  const { operationId, id } = markerOf("01890a5d-ac96-774b-bcce-b302099a8057");
  expect(id.length).toBeLessThanOrEqual(LIMITS.idBytes.min);
  expect(operationId.length).toBeLessThanOrEqual(LIMITS.operationIdBytes.min);
});

test("ids are spread over the buckets", () => {
  const used = new Set(Array.from({ length: 20_000 }, (_, i) => bucketOf(`document-${i}`)));
  expect(used.size).toBe(BUCKETS);
});
