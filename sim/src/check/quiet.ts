/** AllCopiesSameOnQuietDown: healed and left alone, every shard is led, whole, and the same everywhere. */
import { decodeDocument } from "@prism/dataplane/adapters/lmdb/entry-codec";
import { MemoryFiles } from "../runtime/memory-files.js";
import type { Machine } from "../world/machine.js";
import type { World } from "../world/world.js";
import { clientOperationId } from "./committed-history.js";
import type { MemoryCopy } from "./memory-copy.js";
import type { ShardChecker } from "./shard-checker.js";
import { InvariantViolation } from "./violation.js";

/** What is still missing before the world is quiet; undefined when it is. */
export function restless(world: World): string | undefined {
  if (world.checker.shards.size < world.schedule.shape.shards) return "not all shards have a record";
  for (const shard of world.checker.shards.values()) {
    const why = restlessShard(world, shard);
    if (why !== undefined) return why;
  }
  return undefined;
}

function restlessShard(world: World, shard: ShardChecker): string | undefined {
  const { record } = shard;
  if (record === undefined) return "a shard has no record";
  // Whoever had the data is gone for good: there is nothing that could become quiet.
  if (record.inSync.every((id) => world.checker.isLost(id))) return undefined;
  const { factor, zones, nodes } = world.schedule.shape;
  const wanted = Math.min(factor, zones, nodes);
  if (record.recovering.length > 0) return `${record.recovering.join(" ")} recover`;
  if (record.inSync.length < wanted) return `${record.inSync.length} of ${wanted} copies are in sync`;
  const copies = members(world, shard);
  if (copies.length < wanted) return `${copies.length} of ${wanted} copies run`;
  const primary = copies.find((copy) => copy.view.role === "primary");
  if (primary === undefined) return "nobody leads";
  if (primary.view.term !== record.term)
    return `leads in term ${primary.view.term}, stored is ${record.term}`;
  for (const copy of copies) {
    const { node, lastSeq, checkpoint } = copy;
    if (checkpoint !== primary.lastSeq)
      return `${node.name} has committed ${checkpoint} of ${primary.lastSeq}`;
    if (lastSeq !== primary.lastSeq) return `${node.name} ends at ${lastSeq}, not ${primary.lastSeq}`;
    const disk = world.checker.diskOf(node.volume).records.get(shard.uid);
    if (disk?.appliedSeq !== lastSeq || disk.globalCheckpoint !== lastSeq) {
      return `${node.name} has ${disk?.appliedSeq ?? "nothing"} of ${lastSeq} applied on disk`;
    }
  }
  return undefined;
}

function members(world: World, shard: ShardChecker): MemoryCopy[] {
  const inSync = new Set<string>(shard.record?.inSync);
  return [...world.checker.copies(shard.uid)].filter((copy) => inSync.has(copy.allocationId));
}

/** Documents and operation tables on every disk are what the committed history makes of them. */
export function checkCopiesAreSame(world: World): void {
  for (const shard of world.checker.shards.values()) {
    for (const copy of members(world, shard)) {
      const machine = world.machines.get(copy.node.name);
      if (machine === undefined) continue;
      checkLog(copy, shard);
      checkDocuments(world, machine, shard);
      checkOperations(world, machine, shard);
    }
  }
}

function checkLog(copy: MemoryCopy, shard: ShardChecker): void {
  if (copy.checkpoint === shard.history.lastSeq) return;
  const detail = `${copy.node.name} has committed ${copy.checkpoint}, the history is ${shard.history.lastSeq} long`;
  throw new InvariantViolation("AllCopiesSameOnQuietDown", detail);
}

function checkDocuments(world: World, machine: Machine, shard: ShardChecker): void {
  const expected = new Map<string, string>();
  for (const { body, seq, term } of shard.history.entries) {
    if (body.kind === "index")
      expected.set(body.id, `${term}.${seq} ${Buffer.from(body.record).toString("latin1")}`);
    else if (body.kind === "delete") expected.delete(body.id);
  }
  const held = new Map<string, string>();
  const { slot } = world.checker.diskOf(machine.volume).records.get(shard.uid)!;
  const database = databaseOf(machine);
  for (const [key, value] of database.table("documents").values) {
    if (slotOf(key) !== slot) continue;
    const { id, seq, term, record } = decodeDocument(value, docOf(key));
    held.set(id, `${term}.${seq} ${Buffer.from(record).toString("latin1")}`);
  }
  for (const id of new Set([...expected.keys(), ...held.keys()])) {
    if (expected.get(id) === held.get(id)) continue;
    const detail = `${machine.name} holds ${id} as ${held.get(id) ?? "nothing"}, committed is ${expected.get(id) ?? "nothing"}`;
    throw new InvariantViolation("AllCopiesSameOnQuietDown", detail);
  }
}

/** ExactlyOnce rests on it: a retry that reaches this copy must find its operation. */
function checkOperations(world: World, machine: Machine, shard: ShardChecker): void {
  const { slot } = world.checker.diskOf(machine.volume).records.get(shard.uid)!;
  const seqs = new Set<number>();
  for (const key of databaseOf(machine).table("operations").values.keys()) {
    if (slotOf(key) === slot) seqs.add(docOf(key));
  }
  for (const entry of shard.history.entries) {
    if (entry.operationId === "" || seqs.has(entry.seq)) continue;
    const detail = `${machine.name} does not remember operation ${clientOperationId(entry)} at ${entry.seq}`;
    throw new InvariantViolation("AllCopiesSameOnQuietDown", detail);
  }
}

function databaseOf(machine: Machine) {
  return machine.volume.database(`${MemoryFiles.directory(machine.name)}/stores/0`);
}

function slotOf(key: string): number {
  return Buffer.from(key, "latin1").readUInt32BE(0);
}

function docOf(key: string): number {
  return Buffer.from(key, "latin1").readUIntBE(4, 6);
}
