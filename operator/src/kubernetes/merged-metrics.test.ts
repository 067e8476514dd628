import { Counter, Registry } from "prom-client";
import { expect, test } from "vitest";
import { mergedMetrics } from "./merged-metrics.js";

function registryOf(cluster: string, value: number): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ cluster });
  new Counter({ name: "changes_total", help: "Changes.", registers: [registry] }).inc(value);
  return registry;
}

test("a metric of several clusters has one header and a sample of each", async () => {
  const text = await mergedMetrics([registryOf("one", 1), registryOf("two", 2)]);
  expect(text).toBe(
    [
      "# HELP changes_total Changes.",
      "# TYPE changes_total counter",
      'changes_total{cluster="one"} 1',
      'changes_total{cluster="two"} 2',
      "",
    ].join("\n"),
  );
});
