/** AllCopiesSameOnQuietDown: healed and left alone, every shard is led, whole, and the same everywhere. */
import { ShardStore } from "@prism/dataplane/adapters/lmdb/shard-store";
import type { AllocationId, ShardRecord } from "@prism/operator/domain/shard-record";
import { MemoryFiles } from "../runtime/memory-files.js";
import type { Machine } from "../world/machine.js";
import { openOn } from "../world/memory-database.js";
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
  if (record.inSync.every((id) => isGoneForGood(world, record, id)) && !mustBeginAnew(world, record)) {
    return world.person !== undefined && isHeldSomewhere(world, shard)
      ? "nobody has accepted the loss of the shard's data"
      : undefined;
  }
  const { factor, zones, nodes } = world.schedule.shape;
  const wanted = Math.min(factor, zones, nodes);
  if (record.recovering.length > 0) return `${record.recovering.join(" ")} recover`;
  if (record.inSync.length < wanted) return `${record.inSync.length} of ${wanted} copies are in sync`;
  const copies = members(world, shard);
  if (copies.length < wanted) return `${copies.length} of ${wanted} copies run`;
  const primary = copies.find((copy) => copy.machine.role === "primary");
  if (primary === undefined) return "nobody leads";
  const { term } = primary.machine;
  if (term !== record.term) return `leads in term ${term}, stored is ${record.term}`;
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

/** Its volume was taken away, be it before the record that places it there was written. */
function isGoneForGood(world: World, record: ShardRecord, id: AllocationId): boolean {
  const node = record.copies.find((copy) => copy.id === id)?.node;
  return (
    world.checker.isLost(id) || ![...world.machines.values()].some(({ volume }) => volume.nodeId === node)
  );
}

/** Nothing can have been acknowledged: the control plane goes on with another copy without being asked. */
function mustBeginAnew(world: World, { version }: ShardRecord): boolean {
  return version === 1 && world.schedule.shape.minReplicasForWrite > 1;
}

function isHeldSomewhere(world: World, { uid }: ShardChecker): boolean {
  return [...world.machines.values()].some(({ volume }) => world.checker.diskOf(volume).records.has(uid));
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
      const { slot } = world.checker.diskOf(machine.volume).records.get(shard.uid)!;
      const store = storeOf(machine);
      checkDocuments(store, machine, slot, shard);
      checkOperations(store, machine, slot, shard);
    }
  }
}

function checkLog(copy: MemoryCopy, shard: ShardChecker): void {
  if (copy.checkpoint === shard.history.lastSeq) return;
  const detail = `${copy.node.name} has committed ${copy.checkpoint}, the history is ${shard.history.lastSeq} long`;
  throw new InvariantViolation("AllCopiesSameOnQuietDown", detail);
}

function checkDocuments(store: ShardStore, machine: Machine, slot: number, shard: ShardChecker): void {
  const expected = new Map<string, string>();
  for (const { body, seq, term } of shard.history.entries) {
    if (body.kind === "index") expected.set(body.id, describe(term, seq, body.record));
    else if (body.kind === "delete") expected.delete(body.id);
  }
  const held = new Map<string, string>();
  for (const { document } of store.documents(slot, 0)) {
    const { id, seq, term, record } = document;
    held.set(id, describe(term, seq, record));
  }
  for (const id of new Set([...expected.keys(), ...held.keys()])) {
    if (expected.get(id) === held.get(id)) continue;
    const detail = `${machine.name} holds ${id} as ${held.get(id) ?? "nothing"}, committed is ${expected.get(id) ?? "nothing"}`;
    throw new InvariantViolation("AllCopiesSameOnQuietDown", detail);
  }
}

function describe(term: number, seq: number, record: Uint8Array): string {
  return `${term}.${seq} ${Buffer.from(record).toString("latin1")}`;
}

/** ExactlyOnce rests on it: a retry that reaches this copy must find its operation. */
function checkOperations(store: ShardStore, machine: Machine, slot: number, shard: ShardChecker): void {
  const seqs = new Set<number>();
  for (const { seq } of store.operations(slot, 0)) seqs.add(seq);
  for (const entry of shard.history.entries) {
    if (entry.operationId === "" || seqs.has(entry.seq)) continue;
    const detail = `${machine.name} does not remember operation ${clientOperationId(entry)} at ${entry.seq}`;
    throw new InvariantViolation("AllCopiesSameOnQuietDown", detail);
  }
}

/** What a node that is started again would find. */
function storeOf(machine: Machine): ShardStore {
  return new ShardStore(`${MemoryFiles.directory(machine.name)}/stores/0`, {
    sync: true,
    onDiskFull: () => undefined,
    onFailure: () => undefined,
    open: openOn(
      (path) => machine.volume.database(path),
      () => Promise.resolve(),
    ),
  });
}
