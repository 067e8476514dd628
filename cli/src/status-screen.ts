/**
 * `prism status` as one screen: what is wrong, since when, what happens next; then the zones, nodes and
 * shards it is about. Pure: the same status and time give the same lines.
 */
import type { StatusNode, StatusResponse, StatusShard } from "@prism/api/status";
import { byteSize, counted, duration, grouped, table, type Colour, type Paint } from "./terminal.js";

const STATUS_COLOUR: Readonly<Record<StatusResponse["status"], Colour>> = {
  ok: "green",
  degraded: "yellow",
  unavailable: "red",
  unknown: "yellow",
};
const SHARD_COLOUR: Readonly<Record<StatusShard["state"], Colour>> = {
  ok: "green",
  degraded: "yellow",
  unavailable: "red",
  unknown: "red",
};
const SEVERITY_COLOUR = { info: "cyan", warning: "yellow", critical: "red" } as const;
const NODE_COLOUR: Readonly<Record<StatusNode["state"], Colour>> = {
  alive: "green",
  suspect: "yellow",
  dead: "red",
};
/** Healthy shards are counted, not listed, beyond this many. */
const SHARDS_LISTED = 24;

export function statusScreen(status: StatusResponse, nowMs: number, paint: Paint): string[] {
  return [
    ...headline(status, nowMs, paint),
    ...problems(status, nowMs, paint),
    "",
    ...zones(status, paint),
    "",
    ...nodes(status, nowMs, paint),
    ...shards(status, nowMs, paint),
  ];
}

function headline(status: StatusResponse, nowMs: number, paint: Paint): string[] {
  const state = paint(STATUS_COLOUR[status.status], status.status);
  const facts = [
    `${status.activeNodes}/${status.wantedNodes} nodes`,
    counted(status.collectionCount, "collection"),
    counted(status.shardCount, "shard"),
    `${status.inSyncCount}/${status.replicaCount} copies in sync`,
    counted(status.documentCount, "document"),
  ];
  const lines = [
    `${paint("bold", status.clusterName)}: ${state}   ${facts.join(", ")}   (${status.clusterMode}, version ${status.version})`,
  ];
  if (status.controlPlane === "away") {
    const age = duration(nowMs - status.reportedAt);
    lines.push(
      paint("yellow", `the control plane is away: this report is ${age} old; searches and writes go on`),
    );
  }
  return lines;
}

function problems(status: StatusResponse, nowMs: number, paint: Paint): string[] {
  if (status.problems.length === 0) {
    return status.controlPlane === "away" ? ["nothing was wrong then"] : [paint("green", "nothing is wrong")];
  }
  return status.problems.flatMap((problem) => [
    "",
    `${paint(SEVERITY_COLOUR[problem.severity], `${problem.severity}: ${problem.reason}`)}  ${problem.object}  for ${duration(nowMs - problem.since)}`,
    `  what: ${problem.message}`,
    `  next: ${problem.next}`,
  ]);
}

function zones(status: StatusResponse, paint: Paint): string[] {
  const rows = status.topology.map((zone) => [
    zone.zone,
    `${zone.ready}/${zone.nodes}`,
    zone.survivesLoss ? paint("green", "survives its loss") : paint("yellow", "its loss stops some shards"),
  ]);
  return table([["ZONE", "READY", "IF LOST"], ...rows]);
}

function nodes(status: StatusResponse, nowMs: number, paint: Paint): string[] {
  const rows = status.nodes.map((node) => [
    node.name,
    node.zone,
    paint(NODE_COLOUR[node.state], node.draining ? "draining" : node.state),
    duration(nowMs - node.since),
    `${node.copies} (${node.primaries})`,
    grouped(node.documents),
    byteSize(node.memoryUsedBytes),
    byteSize(node.diskFreeBytes),
    node.httpUrl,
  ]);
  const head = [
    "NODE",
    "ZONE",
    "STATE",
    "SINCE",
    "COPIES (PRIMARY)",
    "DOCUMENTS",
    "MEMORY",
    "DISK FREE",
    "HTTP",
  ];
  return table([head, ...rows]);
}

function shards(status: StatusResponse, nowMs: number, paint: Paint): string[] {
  if (status.shards.length === 0) return [];
  const wrong = status.shards.filter((shard) => shard.state !== "ok");
  const listed = status.shards.length <= SHARDS_LISTED ? status.shards : wrong.slice(0, SHARDS_LISTED);
  const rows = listed.map((shard) => [
    `${shard.collection}/${shard.number}`,
    paint(SHARD_COLOUR[shard.state], shard.state),
    shard.primary ?? paint("red", "none"),
    `${shard.inSync}/${shard.wanted}${shard.recovering > 0 ? ` (+${shard.recovering} filling)` : ""}`,
    String(shard.term),
    grouped(shard.documents),
    `${shard.reason}, ${duration(nowMs - shard.since)} ago`,
  ]);
  const hidden = status.shards.length - listed.length;
  const note = hidden > 0 ? [`(${hidden} more shards${wrong.length === 0 ? ", all ok" : ""})`] : [];
  if (rows.length === 0) return ["", ...note];
  return [
    "",
    ...table([["SHARD", "STATE", "PRIMARY", "IN SYNC", "TERM", "DOCUMENTS", "LAST CHANGE"], ...rows]),
    ...note,
  ];
}
