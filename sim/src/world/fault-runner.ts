/** Brings the faults of a schedule about, each at its moment, on whom it finds there. */
import type { ProtocolNote } from "@prism/dataplane/domain/replication/event";
import type { ApiObject } from "@prism/operator/ports/store";
import type { MemoryCopy } from "../check/memory-copy.js";
import type { Fault, FaultAction, NodeTarget } from "../schedule.js";
import { DataLossPerson } from "./data-loss-person.js";
import type { Machine } from "./machine.js";
import type { World } from "./world.js";

interface Armed {
  readonly fault: Fault;
  left: number;
}

/** What is left of a record when somebody applies a file in which nothing but its name stands. */
const EMPTIED: ApiObject<"PrismShard">["status"] = {
  version: 0,
  term: 0,
  historyId: "",
  primary: "",
  inSync: [],
  recovering: [],
  copies: [],
  departed: [],
  lastChange: { reason: "ShardCreated", at: 0 },
};

export class FaultRunner {
  readonly #world: World;
  readonly #armed: Armed[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  start(): void {
    const { schedule, loop } = this.#world;
    for (const fault of schedule.faults) {
      if ("atMs" in fault)
        loop.after(fault.atMs, undefined, `fault ${fault.kind}`, () => this.#begin(fault, undefined));
      else this.#armed.push({ fault, left: fault.nth });
    }
    if (this.#armed.length > 0) this.#world.onNote = (copy, note) => this.#onNote(copy, note);
  }

  #onNote(copy: MemoryCopy, note: ProtocolNote): void {
    const { loop, machines } = this.#world;
    for (const armed of this.#armed) {
      const { fault } = armed;
      if ("atMs" in fault || fault.after !== note.what || loop.nowMs < (fault.fromMs ?? 0)) continue;
      armed.left -= 1;
      if (armed.left !== 0) continue;
      const self = machines.get(copy.node.name);
      loop.after(fault.delayMs, undefined, `fault ${fault.kind}`, () => this.#begin(fault, self));
    }
  }

  #begin(fault: Fault, self: Machine | undefined): void {
    const world = this.#world;
    if (world.isHealed) return;
    if (this.#act(fault, self)) {
      world.counts.count("faults");
      world.counts.count(`fault.${fault.kind}`);
      world.trace(`fault: ${JSON.stringify(fault)}`);
    } else world.counts.count("faultsWithoutVictim");
  }

  /** False when there is nobody to do it to. */
  #act(fault: FaultAction, self: Machine | undefined): boolean {
    switch (fault.kind) {
      case "powerLoss":
        return this.#powerLoss(fault.downMs);
      case "operatorCrash":
      case "operatorPause":
      case "operatorClockJump":
      case "secondOperator":
        return this.#operatorFault(fault);
      case "storeOutage":
        this.#world.storeTrouble.outageUntilMs = this.#world.nowMs + fault.forMs;
        return true;
      case "staleWatch":
        this.#world.storeTrouble.staleUntilMs = this.#world.nowMs + fault.forMs;
        return true;
      case "acceptDataLoss":
        this.#world.person = new DataLossPerson(this.#world);
        this.#world.person.start();
        return true;
      case "loseRecord":
        return this.#loseRecord(fault);
      case "restoreRecord":
        return this.#restoreRecord(fault.versionsBack, fault.forMs);
      case "cut":
      case "reset":
        return this.#pairFault(fault, self);
      default: {
        const machine = this.#find(fault.node, self);
        return machine !== undefined && this.#nodeFault(fault, machine);
      }
    }
  }

  #nodeFault(fault: Extract<FaultAction, { readonly node: NodeTarget }>, machine: Machine): boolean {
    const world = this.#world;
    const { network, nowMs } = world;
    const { name, volume } = machine;
    if (!machine.isUp && fault.kind !== "replaceVolume") return false;
    switch (fault.kind) {
      case "crash":
        world.crash(machine, fault.downMs);
        return true;
      case "crashAtIo":
        machine.crashAt = { point: fault.point, left: fault.count, downMs: fault.downMs };
        return true;
      case "pause":
        machine.process!.frozenUntilMs = nowMs + fault.forMs;
        return true;
      case "stop":
        world.stopNode(machine, fault.downMs);
        return true;
      case "replaceVolume":
        if (fault.evenTheLast !== true && !this.#mayLose(machine)) return false;
        world.replaceVolume(machine, fault.downMs);
        return true;
      case "isolate":
        this.#isolate(name, fault.peersOnly, fault.forMs);
        return true;
      case "clog":
        network.clog(name, fault.forMs, fault.extraMs);
        return true;
      case "slowDisk":
        volume.slowUntilMs = nowMs + fault.forMs;
        return true;
      case "fullDisk":
        volume.fullUntilMs = nowMs + fault.forMs;
        return true;
      case "clockJump":
        machine.process!.wallOffsetMs += fault.byMs;
        return true;
      case "cutOperator":
        network.cut("operator", name, fault.forMs);
        if (!fault.oneWay) network.cut(name, "operator", fault.forMs);
        return true;
    }
  }

  #isolate(name: string, peersOnly: boolean, forMs: number): void {
    const { network, machines } = this.#world;
    const others = peersOnly ? [...machines.keys()].filter((other) => other !== name) : ["*"];
    for (const other of others) {
      network.cut(name, other, forMs);
      network.cut(other, name, forMs);
    }
  }

  #pairFault(fault: Extract<FaultAction, { kind: "cut" | "reset" }>, self: Machine | undefined): boolean {
    const from = this.#find(fault.from, self);
    const to = this.#find(fault.to, self);
    if (from === undefined || to === undefined || from === to) return false;
    if (fault.kind === "reset") {
      this.#world.network.reset(from.name, to.name);
      return true;
    }
    this.#world.network.cut(from.name, to.name, fault.forMs);
    if (!fault.oneWay) this.#world.network.cut(to.name, from.name, fault.forMs);
    return true;
  }

  #operatorFault(
    fault: Extract<
      FaultAction,
      { kind: "operatorCrash" | "operatorPause" | "operatorClockJump" | "secondOperator" }
    >,
  ): boolean {
    const world = this.#world;
    const [operator] = world.operators.values();
    if (operator === undefined) return false;
    switch (fault.kind) {
      case "operatorCrash":
        world.endOperator(operator);
        world.loop.after(fault.downMs, undefined, "operator", () => {
          if (world.operators.size === 0) world.startOperator();
        });
        return true;
      case "operatorPause":
        operator.process.frozenUntilMs = world.nowMs + fault.forMs;
        return true;
      case "operatorClockJump":
        operator.process.wallOffsetMs += fault.byMs;
        return true;
      case "secondOperator":
        world.startOperator();
        world.loop.after(fault.forMs, undefined, "operator ends", () => {
          if (world.operators.size > 1) world.endOperator(operator);
        });
        return true;
    }
  }

  #powerLoss(downMs: readonly number[]): boolean {
    const world = this.#world;
    let i = 0;
    for (const machine of world.machines.values()) {
      world.crash(machine, downMs[i % downMs.length]);
      i += 1;
    }
    return true;
  }

  /** What no invariant promises to survive is not done: the last volume with the shard's data going away. */
  #mayLose(machine: Machine): boolean {
    const { checker, machines } = this.#world;
    for (const { record } of checker.shards.values()) {
      const isPlaced = record?.copies.some((copy) => copy.node === machine.volume.nodeId) === true;
      if (record === undefined || !isPlaced) continue;
      const others = record.inSync.some((id) => {
        if (checker.isLost(id)) return false;
        const place = record.copies.find((copy) => copy.id === id);
        return [...machines.values()].some(
          (other) => other !== machine && other.volume.nodeId === place?.node,
        );
      });
      if (!others) return false;
    }
    return true;
  }

  #restoreRecord(versionsBack: number, forMs: number | undefined): boolean {
    const world = this.#world;
    for (const [uid, objects] of world.recordObjects) {
      const newest = objects.at(-1)!;
      const older = objects.at(-1 - versionsBack);
      if (older === undefined || !world.checker.shard(uid).mayBePutBack()) continue;
      world.putBack(uid, newest, older, forMs);
      return true;
    }
    return false;
  }

  #loseRecord({ how, forMs, evenUnheard }: Extract<FaultAction, { kind: "loseRecord" }>): boolean {
    const world = this.#world;
    for (const [uid, objects] of world.recordObjects) {
      const shard = world.checker.shard(uid);
      if (evenUnheard ? shard.isRecordGone : !shard.mayBePutBack()) continue;
      const newest = objects.at(-1)!;
      if (how === "deleted") world.deleteRecord(newest, forMs);
      else world.putBack(uid, newest, { ...newest, status: EMPTIED }, forMs);
      return true;
    }
    return false;
  }

  #find(target: NodeTarget, self: Machine | undefined): Machine | undefined {
    const { machines, checker } = this.#world;
    if (target === "self") return self;
    const named = machines.get(target);
    if (named !== undefined) return named;
    const [shard] = checker.shards.values();
    const record = shard?.record;
    if (record === undefined) return undefined;
    const wanted =
      target === "primary"
        ? [record.primary]
        : target === "recovering"
          ? record.recovering
          : record.inSync.filter((id) => id !== record.primary);
    const nodes = wanted.map((id) => record.copies.find((copy) => copy.id === id)?.node);
    return [...machines.values()].find(
      (machine) => machine !== self && nodes.some((node) => node === machine.volume.nodeId),
    );
  }
}
