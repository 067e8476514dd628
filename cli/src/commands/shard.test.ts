import type { DataLoss } from "@prism/api/data-loss";
import { expect, test } from "vitest";
import { lossLines } from "./shard.js";

const NOW = 1_700_000_000_000;
const plain = (_colour: unknown, text: string): string => text;

const LOSS: DataLoss = {
  shard: "notes/0",
  acceptable: true,
  refusal: null,
  chosen: "y",
  knownLost: 107,
  term: 2,
  historyId: "h",
  copies: [
    {
      id: "x",
      node: "node-a-0",
      zone: "a",
      inSync: true,
      reachable: false,
      condition: "dead",
      lastSeq: 1311,
      globalCheckpoint: 1311,
      documents: 1020,
      heardAt: NOW - 240_000,
    },
    {
      id: "y",
      node: "node-b-0",
      zone: "b",
      inSync: false,
      reachable: true,
      condition: "available",
      lastSeq: 1204,
      globalCheckpoint: 1200,
      documents: 1003,
      heardAt: NOW - 1000,
    },
  ],
};

test("what is lost is shown copy by copy, as last heard", () => {
  const lines = lossLines(LOSS, NOW, plain).map((line) => line.replaceAll(/ {2,}/g, "  "));
  expect(lines[2]).toBe("  in sync  x  node-a-0  dead  1,311  1,311  1,020  4 min ago");
  expect(lines[3]).toBe("  chosen  y  node-b-0  available  1,204  1,200  1,003  1 s ago");
  expect(lines[4]).toMatch(/^At least 107 operations would be lost/);
});

test("a copy that was never heard of says so, and nothing is promised of the loss", () => {
  const never = { lastSeq: null, globalCheckpoint: null, documents: null, heardAt: null };
  const copies = LOSS.copies.map((copy) => (copy.id === "x" ? { ...copy, ...never } : copy));
  const lines = lossLines({ ...LOSS, knownLost: null, copies }, NOW, plain);
  expect(lines[2]).toMatch(/never heard .* never$/);
  expect(lines[4]).toMatch(/^How much is lost is not known/);
});
