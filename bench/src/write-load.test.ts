import { expect, test } from "vitest";
import { valuesOf } from "./write-load.js";

test("values of a metric are read of all its labels, and of no other metric", () => {
  const text = [
    "# TYPE prism_replication_lag_seconds gauge",
    'prism_replication_lag_seconds{shard="s1",replica="a2"} 0.012',
    'prism_replication_lag_seconds{shard="s1",replica="a3"} 0',
    'prism_replication_lag_seconds_other{shard="s1"} 7',
    "prism_map_revision 3",
  ].join("\n");
  expect(valuesOf(text, "prism_replication_lag_seconds")).toEqual([0.012, 0]);
  expect(valuesOf(text, "prism_nothing")).toEqual([]);
});
