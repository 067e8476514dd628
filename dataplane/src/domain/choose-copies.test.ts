import { describe, expect, it } from "vitest";
import { fakeMap } from "../testing/fake-cluster.js";
import { rankCopies, type NodeConditions } from "./choose-copies.js";
import type { MapNode, NodeId, NodeState } from "./cluster-map.js";

interface Situation {
  readonly self?: string;
  readonly states?: Readonly<Record<string, NodeState>>;
  readonly loads?: Readonly<Record<string, number>>;
  readonly unreachable?: readonly string[];
  readonly silent?: readonly string[];
  readonly notInSync?: readonly string[];
}

/** Copies on n1 (zone a), n2 (b), n3 (c), n4 (a); asked from n1 unless said otherwise. */
function ranked(situation: Situation = {}): string[] {
  const map = fakeMap({
    nodes: ["n1", "n2", "n3", "n4"],
    factor: 4,
    collections: [{ name: "c", shards: 1 }],
  });
  const shard = map.shards[0]!;
  const inSync = shard.inSync.filter((id) => !(situation.notInSync ?? []).some((node) => id.endsWith(node)));
  const nodes = new Map(
    map.nodes.map((node): [NodeId, MapNode] => [
      node.id,
      { ...node, state: situation.states?.[node.id] ?? "alive" },
    ]),
  );
  const conditions: NodeConditions = {
    inFlight: (node) => situation.loads?.[node] ?? 0,
    isReachable: (node) => !(situation.unreachable ?? []).includes(node),
    isSilent: (node) => (situation.silent ?? []).includes(node),
  };
  const self = (situation.self ?? "n1") as NodeId;
  return rankCopies({ ...shard, inSync }, nodes, self, conditions).map((copy) => copy.node);
}

describe("choosing copies", () => {
  it("asks the own zone first, the own node first in it", () => {
    expect(ranked()).toEqual(["n1", "n4", "n2", "n3"]);
    expect(ranked({ self: "n2" })[0]).toBe("n2");
  });

  it("asks the least loaded of a zone", () => {
    expect(ranked({ loads: { n1: 3, n2: 2 } })).toEqual(["n4", "n1", "n3", "n2"]);
  });

  it("puts silent, suspect, dead and unreachable nodes last, in this order, and leaves none out", () => {
    expect(ranked({ silent: ["n1"] })).toEqual(["n4", "n2", "n3", "n1"]);
    const states = { n4: "dead", n2: "suspect" } as const;
    expect(ranked({ states, silent: ["n3"], unreachable: ["n1"] })).toEqual(["n3", "n2", "n4", "n1"]);
  });

  it("asks in-sync copies alone", () => {
    expect(ranked({ notInSync: ["n1", "n3"] })).toEqual(["n4", "n2"]);
  });
});
