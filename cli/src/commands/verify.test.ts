import type { ShardVerification } from "@prism/api/verify";
import { expect, test } from "vitest";
import { shardLines } from "./verify.js";

const plain = (_colour: unknown, text: string): string => text;

function copy(node: string, change: object = {}) {
  return { id: `id-${node}`, node, zone: node, documents: 1003, indexed: 1003, operations: 4, ...change };
}

const EQUAL: ShardVerification = {
  shard: 0,
  status: "equal",
  seq: 1204,
  copies: [copy("a"), copy("b")],
  operationsEqual: true,
  indexesComplete: true,
  differences: [],
  moreDifferences: false,
};

test("an equal shard is one line", () => {
  expect(shardLines(EQUAL, plain)).toEqual(["  shard 0: equal at seq 1,204   2 copies, 1,003 documents"]);
});

test("a shard that differs names documents, and what else differs", () => {
  const lines = shardLines(
    {
      ...EQUAL,
      status: "different",
      copies: [copy("a"), copy("b", { indexed: 1002, operations: 5 })],
      operationsEqual: false,
      indexesComplete: false,
      differences: [
        {
          id: "d1",
          copies: [
            { node: "a", version: "1.7", digest: "0123456789abcdef", damaged: false },
            { node: "b", version: null, digest: null, damaged: false },
          ],
        },
        {
          id: "d2",
          copies: [
            { node: "a", version: null, digest: null, damaged: true },
            { node: "b", version: "1.8", digest: "fedcba9876543210", damaged: false },
          ],
        },
      ],
      moreDifferences: true,
    },
    plain,
  );
  expect(lines.slice(1)).toEqual([
    '    document "d1": a 1.7 01234567, b none',
    '    document "d2": a damaged, b 1.8 fedcba98',
    "    and more documents differ",
    "    the operations remembered for retries differ: a 4, b 5",
    "    indexes lack documents: a 1003 of 1003, b 1002 of 1003",
  ]);
});

test("a shard that could not be compared says why, and which copy was not read", () => {
  const problem = { code: "noPrimary", detail: "it has none" } as const;
  const away = { id: "x", node: "c", zone: "c", problem: { code: "timeout", detail: "no answer" } } as const;
  const lines = shardLines({ ...EQUAL, status: "unavailable", copies: [copy("a"), away], problem }, plain);
  expect(lines.slice(1)).toEqual([
    "    not compared: noPrimary: it has none",
    "    c not read: timeout: no answer",
  ]);
});
