/** docs/operator-scale.md, from the figures of a run and nothing else. */
import type { Machine } from "../results.js";
import type { OperatorScaleResults } from "./operator-scale.js";

export interface ScaleRun {
  readonly at: string;
  readonly command: string;
  readonly machine: Machine;
  readonly loadAfter: number;
  readonly nodeVersion: string;
  readonly results: OperatorScaleResults;
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
const mib = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;

/** What was measured, and how it came out. */
export function scaleRows(results: OperatorScaleResults): readonly (readonly [string, string])[] {
  const { fillMs, startMs, inSyncMs, rest, zoneLost } = results;
  return [
    ["records, nodes and collections written", seconds(fillMs)],
    ["start of the control plane until every node is ready", seconds(startMs)],
    ["records changed until then, for nodes that answered too late", String(results.recordsChangedAtStart)],
    ["from there until all copies are in sync", seconds(inSyncMs)],
    ["at rest: CPU of the control plane", `${(100 * rest.cpuShare).toFixed(1)} % of a core`],
    ["at rest: memory", `${mib(rest.residentBytes)}, of it heap in use ${mib(rest.heapBytes)}`],
    ["at rest: longest turn of its event loop", `${Math.round(rest.longestTurnMs)} ms`],
    ["zone lost: nodes in it", String(zoneLost.nodes)],
    ["zone lost: primaries in it", String(zoneLost.primaries)],
    ["until nodes are suspect, by the settings", seconds(zoneLost.windowMs)],
    ["until every record names another primary", seconds(zoneLost.storedMs)],
    ["until every new primary knows it", seconds(zoneLost.promotedMs)],
    ["until every node that is left knows it", seconds(zoneLost.toldMs)],
    ["records changed in that time", String(zoneLost.recordsChanged)],
    ["CPU time of the control plane in it", seconds(zoneLost.cpuMs)],
    ["CPU time of the process of all simulated nodes in it", seconds(zoneLost.nodesCpuMs)],
    ["longest turn of the control plane's event loop in it", `${Math.round(zoneLost.longestTurnMs)} ms`],
    ["memory of the control plane at its most", mib(zoneLost.peakResidentBytes)],
  ];
}

export function renderScalePage({ at, command, machine, loadAfter, nodeVersion, results }: ScaleRun): string {
  const { nodes, zones, shards, storeKind } = results;
  return [
    "# A control plane at scale",
    "",
    "Written by the measurement itself. It repeats with:",
    "",
    "```console",
    `$ ${command}`,
    "```",
    "",
    `The real control plane, over ${storeKind === "memory" ? "a store in memory" : "an API server of its own (kube-apiserver and etcd, started for the run)"},`,
    `with ${nodes} nodes in ${zones} zones and ${shards} shards of three copies. Nodes are simulated, all of them in one other`,
    "process: each has a Control stream of its own, takes maps and changes of maps as a node does, reports, and asks for",
    "what primaries ask for; it holds no data. Then all nodes of one zone fall silent at the same moment.",
    "",
    "| | |",
    "| --- | --- |",
    ...scaleRows(results).map(([what, figure]) => `| ${what} | ${figure} |`),
    "",
    `${at}, ${machine.processor}, ${machine.cores} cores, ${mib(machine.memoryBytes)}, ${machine.system}, Node.js ${nodeVersion}.`,
    `Load average before ${machine.loadBefore.toFixed(1)}, after ${loadAfter.toFixed(1)}.`,
    "",
    "Control plane, API server, etcd and all nodes share these cores. Times are therefore those of this machine as a",
    "whole; CPU times are of one process each. A promotion is the write of one record, and is followed when its version",
    "is on record beside it: how much of that the API server takes in a second decides how long a lost zone takes.",
    "",
  ].join("\n");
}
