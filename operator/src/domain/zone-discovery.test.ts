import { describe, expect, it } from "vitest";
import { settleTopology, type Machine, type TopologyWish } from "./zone-discovery.js";

const KEY = "topology.kubernetes.io/zone";

function machine(name: string, zone?: string, taints: Machine["taints"] = []): Machine {
  return { name, labels: zone === undefined ? {} : { [KEY]: zone }, taints };
}

function wish(over: Partial<TopologyWish> = {}): TopologyWish {
  return { domain: "Zone", labelKey: KEY, zones: undefined, nodeSelector: {}, tolerations: [], ...over };
}

describe("settling the topology", () => {
  it("takes the zones of the machines' labels, each once, in the order of their names", () => {
    const settled = settleTopology(wish(), [machine("1", "b"), machine("2", "a"), machine("3", "b")]);
    expect(settled.domain).toBe("Zone");
    expect(settled.zones.map((zone) => zone.name)).toEqual(["a", "b"]);
  });

  it("leaves stated zones as they are", () => {
    const zones = [{ name: "x", region: "", rack: "", attributes: {} }] as unknown as TopologyWish["zones"];
    expect(settleTopology(wish({ zones }), [machine("1", "a")])).toEqual({ domain: "Zone", zones });
  });

  it("keeps copies on different hosts when no machine carries the label, and together on a single machine", () => {
    expect(settleTopology(wish(), [machine("1"), machine("2")])).toEqual({ domain: "Host", zones: [] });
    expect(settleTopology(wish(), [machine("1")])).toEqual({ domain: "None", zones: [] });
  });

  it("does not count machines that the pods can't run on", () => {
    const control = machine("1", "a", [
      { key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" },
    ]);
    const machines = [control, machine("2", "b"), machine("3", "c")];
    expect(settleTopology(wish(), machines).zones.map((zone) => zone.name)).toEqual(["b", "c"]);
    const tolerations = [{ key: "node-role.kubernetes.io/control-plane", operator: "Exists" as const }];
    expect(settleTopology(wish({ tolerations }), machines).zones).toHaveLength(3);
    expect(settleTopology(wish({ nodeSelector: { [KEY]: "c" } }), machines).zones).toHaveLength(1);
  });

  it("counts a machine that is only drained or away for now", () => {
    const drained = machine("1", "a", [{ key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" }]);
    expect(settleTopology(wish(), [drained, machine("2", "b")]).zones).toHaveLength(2);
  });

  it("names regions and racks by the label as well, where these are the domain", () => {
    const labelKey = "example.com/rack";
    const machines: Machine[] = [{ name: "1", labels: { [labelKey]: "r7" }, taints: [] }];
    const [zone] = settleTopology(wish({ domain: "Rack", labelKey }), machines).zones;
    expect(zone).toMatchObject({ name: "r7", rack: "r7", region: "" });
  });
});
