import { expect, test } from "vitest";
import type { ObservedCopy } from "../domain/shard-observation.js";
import { CopyIndex } from "./copy-index.js";

const copy = (id: string): ObservedCopy => ({ id }) as ObservedCopy;
const of = (...shards: string[]): Map<string, ObservedCopy> =>
  new Map(shards.map((shard) => [shard, copy(`${shard} here`)]));

test("a shard's copies are those of the last report of each node", () => {
  const index = new CopyIndex();
  index.replace("a", new Map(), of("s1", "s2"));
  index.replace("b", new Map(), of("s1"));
  expect(index.of("s1")).toHaveLength(2);
  index.replace("a", of("s1", "s2"), of("s2", "s3"));
  expect([index.of("s1"), index.of("s2"), index.of("s3")].map(({ length }) => length)).toEqual([1, 1, 1]);
  index.replace("b", of("s1"), new Map());
  expect(index.of("s1")).toEqual([]);
});
