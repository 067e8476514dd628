/**
 * The whole system in one process: nodes, control planes, clients, and what lies between them. All
 * choices come from the schedule's seed; a violated invariant ends the run as an exception.
 */
import { parseCluster, type PrismCluster } from "@prism/api/cluster";
import { parseCollectionSpec } from "@prism/api/collection";
import type { ProtocolNote } from "@prism/dataplane/domain/replication/event";
import { MemoryStore } from "@prism/operator/adapters/local/memory-store";
import type { ApiObject } from "@prism/operator/ports/store";
import { toRecord } from "@prism/operator/reconcile/shard-object";
import { listenToSteps } from "../check/copy-tap.js";
import { DocumentHistories, type Begun } from "../check/linearizability.js";
import type { MemoryCopy } from "../check/memory-copy.js";
import { firstViolation } from "../check/violation.js";
import { WorldChecker } from "../check/world-checker.js";
import { Random } from "../runtime/random.js";
import { VirtualProcess } from "../runtime/virtual-process.js";
import { WorldLoop } from "../runtime/world-loop.js";
import type { Schedule } from "../schedule.js";
import type { DataLossPerson } from "./data-loss-person.js";
import { ClientRequests, COLLECTION } from "./client-requests.js";
import { Counts } from "./counts.js";
import { Machine } from "./machine.js";
import { Network } from "./network.js";
import { NodeProcess, type LogLine } from "./node-process.js";
import { OperatorProcess } from "./operator-process.js";
import { SimClient, type Ask, type ClientWorld, type WriteAsk } from "./sim-client.js";
import { StoreAccess, type StoreTrouble } from "./store-access.js";
import { Volume, type IoPoint } from "./volume.js";

const OPERATOR_RETRY_MS = 250;

/** The product itself says that something is wrong. */
export class CopyFailed extends Error {}

export interface WorldOptions {
  /** Told in lines what happens. */
  readonly trace?: ((line: string) => void) | undefined;
}

export class World {
  readonly schedule: Schedule;
  readonly loop = new WorldLoop();
  readonly network: Network;
  readonly counts = new Counts();
  readonly checker: WorldChecker;
  readonly histories = new DocumentHistories();
  readonly machines = new Map<string, Machine>();
  readonly operators = new Map<string, OperatorProcess>();
  readonly storeTrouble: StoreTrouble = { outageUntilMs: 0, staleUntilMs: 0 };
  /** Every record the store held, oldest first, by the uid of its shard. */
  readonly recordObjects = new Map<string, ApiObject<"PrismShard">[]>();
  readonly store = new MemoryStore();
  readonly storeProcess: VirtualProcess;
  /** Whoever gives data up, once there is somebody. */
  person: DataLossPerson | undefined;
  onNote: (copy: MemoryCopy, note: ProtocolNote) => void = () => undefined;
  readonly #options: WorldOptions;
  readonly #cluster: PrismCluster;
  readonly #clients: SimClient[] = [];
  readonly #byNodeId = new Map<string, Machine>();
  #operatorNumber = 0;
  #healed = false;

  constructor(schedule: Schedule, options: WorldOptions = {}) {
    this.schedule = schedule;
    this.#options = options;
    this.network = new Network(this.loop, this.#random("network"), schedule.network);
    this.network.onSend = (host) => this.#onIo(host, "send");
    this.storeProcess = this.#process("store", undefined, 0, 1);
    this.#cluster = clusterOf(schedule);
    this.checker = new WorldChecker({
      nowMs: () => this.loop.nowMs,
      ageTolerance: 2.5 * schedule.clockDrift,
      counts: this.counts,
      nodeOf: (process) => this.#nodeOf(process),
      volumeOf: (nodeId) => this.#machineOf(nodeId)?.volume,
      domainOf: (nodeId) => this.#machineOf(nodeId)?.zone ?? nodeId,
      onNote: (copy, note) => this.onNote(copy, note),
      trace: options.trace === undefined ? undefined : (line) => this.trace(line),
    });
    const { zones } = this.#cluster.spec.topology;
    const clocks = this.#random("clocks");
    for (let i = 0; i < schedule.shape.nodes; i += 1) {
      const zone = zones[i % zones.length]!.name;
      const name = `node-${zone}-${Math.floor(i / zones.length)}`;
      const skewMs = Math.round(clocks.between(-1, 1) * schedule.clockSkewMs);
      const rate = 1 + clocks.between(-1, 1) * schedule.clockDrift;
      this.machines.set(name, new Machine(name, zone, this.#newVolume(name), skewMs, rate));
    }
  }

  get nowMs(): number {
    return this.loop.nowMs;
  }

  trace(line: string): void {
    this.#options.trace?.(`${this.loop.nowMs.toFixed(2).padStart(9)} ${line}`);
  }

  // ---------------------------------------------------------------- the run

  /** Puts everything in place; nothing happens before `run`. */
  start(): void {
    listenToSteps((machine, event, effects) => this.checker.stepped(machine, event, effects));
    this.loop.after(0, this.storeProcess, "collection", () => this.#createCollection());
    const starts = this.#random("starts");
    for (const machine of this.machines.values()) {
      this.loop.after(starts.between(1, 40), undefined, "boot", () => this.boot(machine));
    }
    this.loop.after(5, undefined, "operator", () => this.startOperator());
    this.loop.after(300, undefined, "clients", () => this.#startClients());
  }

  run(untilMs: number): void {
    this.loop.run(untilMs, () => {
      this.checker.afterStep();
      // It may have been thrown in the midst of production code, which caught it.
      const violation = firstViolation();
      if (violation !== undefined) throw violation;
    });
  }

  /** No fault begins any more, and everything that is down comes up; whoever stands still does so to its end. */
  heal(): void {
    this.#healed = true;
    this.trace("heal");
    for (const client of this.#clients) client.stop();
    this.network.heal();
    this.storeTrouble.outageUntilMs = 0;
    this.storeTrouble.staleUntilMs = 0;
    for (const machine of this.machines.values()) {
      machine.crashAt = undefined;
      machine.volume.slowUntilMs = 0;
      machine.volume.fullUntilMs = 0;
      if (!machine.isUp) this.boot(machine);
    }
    if (this.operators.size === 0) this.startOperator();
  }

  get isHealed(): boolean {
    return this.#healed;
  }

  // ---------------------------------------------------------------- nodes

  boot(machine: Machine): void {
    if (machine.isUp) return;
    machine.boots += 1;
    const { name, volume, wallOffsetMs, clockRate } = machine;
    const process = this.#process(`${name}.${machine.boots}`, volume, wallOffsetMs, clockRate);
    machine.process = process;
    this.trace(`${name}: starts`);
    this.loop.within(process, "boot", () => {
      const observer = {
        onAsk: (...heard: Parameters<WorldChecker["asked"]>) => this.checker.asked(...heard),
        onAnswer: (...heard: Parameters<WorldChecker["answered"]>): void => this.checker.answered(...heard),
        onLog: (node: NodeProcess, line: LogLine): void => this.#onLog(node, line),
      };
      const { network } = this;
      const { tosses, logEntries } = this.schedule;
      machine.node = new NodeProcess({ name, process, volume, network, tosses, logEntries, observer });
      this.#byNodeId.set(machine.node.nodeId, machine);
      machine.node.start();
    });
    this.#tellOperators(name, 3, () => ({ kind: "listening", name, peerAddress: name }));
  }

  /** The process is gone from one moment to the next; `downMs` undefined leaves it so until the world heals. */
  crash(machine: Machine, downMs: number | undefined): void {
    const { process, name } = machine;
    if (process === undefined || !process.alive) return;
    this.trace(`${name}: process ends`);
    process.kill();
    machine.volume.crashed();
    this.network.processDied(process);
    if (machine.node !== undefined) this.checker.processEnded(machine.node);
    for (const end of machine.requests) end();
    machine.requests.clear();
    machine.crashAt = undefined;
    if (this.schedule.exitNotices) {
      // Before it can be told that another one listens.
      this.#tellOperators(name, 2, () => ({
        kind: "exited",
        name,
        code: null,
        signal: "SIGKILL",
        detail: "",
        expected: false,
      }));
    }
    if (downMs !== undefined) this.loop.after(downMs, undefined, "boot", () => this.boot(machine));
  }

  /** Ends as on SIGTERM, or by force when that takes too long. */
  stopNode(machine: Machine, downMs: number): void {
    const { process, node, name } = machine;
    if (process === undefined || node === undefined || !process.alive) return;
    this.trace(`${name}: is told to stop`);
    let ended = false;
    const end = (): void => {
      if (!ended && machine.process === process) this.crash(machine, downMs);
      ended = true;
    };
    this.loop.within(process, "stop", () =>
      node.stop(1500, () => this.loop.after(0, undefined, "exit", end)),
    );
    this.loop.after(3000, undefined, "killed", end);
  }

  replaceVolume(machine: Machine, downMs: number): void {
    this.crash(machine, downMs);
    this.checker.volumeLost(machine.volume);
    machine.volume = this.#newVolume(machine.name);
    this.trace(`${machine.name}: gets an empty volume`);
  }

  // ---------------------------------------------------------------- control planes

  startOperator(): OperatorProcess | undefined {
    this.#operatorNumber += 1;
    const name = `operator-${this.#operatorNumber}`;
    const clocks = this.#random(`clock/${name}`);
    const { clockSkewMs, clockDrift } = this.schedule;
    const process = this.#process(
      name,
      undefined,
      Math.round(clocks.between(-1, 1) * clockSkewMs),
      1 + clocks.between(-1, 1) * clockDrift,
    );
    this.trace(`${name}: starts`);
    this.loop.within(process, "start", () => {
      const operator = new OperatorProcess({
        name,
        process,
        store: new StoreAccess({
          store: this.store,
          process,
          server: this.storeProcess,
          loop: this.loop,
          random: this.#random(`store/${name}`),
          manners: this.schedule.store,
          trouble: this.storeTrouble,
          counts: this.counts,
        }),
        network: this.network,
        cluster: this.#cluster,
        running: () => [...this.machines.values()].filter(({ isUp }) => isUp).map((machine) => machine.name),
        onFailed: (error) => {
          if (!process.alive) return;
          this.trace(`${name}: could not take the lead: ${String(error)}`);
          this.counts.count("operatorStartFailed");
          this.endOperator(operator);
          this.loop.after(OPERATOR_RETRY_MS, undefined, "operator", () => {
            if (this.operators.size === 0) this.startOperator();
          });
        },
      });
      this.operators.set(name, operator);
    });
    return this.operators.get(name);
  }

  endOperator(operator: OperatorProcess): void {
    if (!this.operators.delete(operator.name)) return;
    this.trace(`${operator.name}: ends`);
    operator.process.kill();
    this.network.processDied(operator.process);
  }

  /** The shard's record becomes what it was, and after a while what it should be: somebody restored a backup. */
  putBack(
    uid: string,
    newest: ApiObject<"PrismShard">,
    older: ApiObject<"PrismShard">,
    forMs: number | undefined,
  ): void {
    const { loop, storeProcess, store } = this;
    const put = (status: ApiObject<"PrismShard">["status"]): void => {
      const present = this.recordObjects.get(uid)!.at(-1)!;
      void store.update({ ...present, status });
    };
    this.checker.shard(uid).recordPutBack(older.status.version);
    loop.after(0, storeProcess, "restore", () => put(older.status));
    if (forMs === undefined) return;
    loop.after(forMs, storeProcess, "restored", () => {
      // Made again meanwhile, it is newer than what would be put there.
      if (!this.checker.shard(uid).isPutBack) return;
      this.checker.shard(uid).recordPutForward();
      put(newest.status);
    });
  }

  /** Somebody deletes the shard's record, by force; after a while it is there again. */
  deleteRecord(object: ApiObject<"PrismShard">, forMs: number | undefined): void {
    const { loop, storeProcess, store } = this;
    const { uid } = toRecord(object);
    const { name } = object.metadata;
    this.checker.shard(uid).recordDeleted();
    loop.after(0, storeProcess, "record lost", () => {
      void store.delete("PrismShard", name, { uid: object.metadata.uid });
    });
    if (forMs === undefined) return;
    loop.after(forMs, storeProcess, "record back", () => {
      void store.get("PrismShard", name).then((present) => {
        if (present === undefined) store.putBack(this.recordObjects.get(uid)!.at(-1)!);
      });
    });
  }

  // ---------------------------------------------------------------- odds and ends

  /** Every process gets numbers of its own. */
  #random(stream: string): Random {
    return new Random(this.schedule.seed, stream);
  }

  #process(
    name: string,
    volume: Volume | undefined,
    wallOffsetMs: number,
    clockRate: number,
  ): VirtualProcess {
    return new VirtualProcess({
      name,
      clock: this.loop.clock,
      queue: this.loop.queue,
      random: this.#random(`process/${name}`),
      files: volume?.files,
      clockRate,
      wallOffsetMs,
    });
  }

  #newVolume(node: string): Volume {
    const made = this.machines.get(node)?.boots ?? 0;
    return new Volume(node, this.schedule.syncMs, this.loop, this.#random(`disk/${node}/${made}`), {
      onIo: (volume, point) => this.#onIo(volume.node, point),
      onHandedIn: (volume) => this.checker.handedIn(volume),
      onCommitted: (volume, writes, logs) => this.checker.committedToDisk(volume, writes, logs),
      onTorn: (_volume, kept) => this.counts.count(kept ? "commitKeptUnnoticed" : "commitLost"),
    });
  }

  #onIo(node: string, point: IoPoint): void {
    const machine = this.machines.get(node);
    const plan = machine?.crashAt;
    if (machine === undefined || plan === undefined || plan.point !== point) return;
    plan.left -= 1;
    if (plan.left > 0) return;
    this.counts.count(`crashAt.${point}`);
    this.crash(machine, plan.downMs);
  }

  /** A copy that stops stops for a reason, and no reason is a good one here. */
  #onLog(node: NodeProcess, { message, fields }: LogLine): void {
    if (message !== "copy failed") return;
    throw new CopyFailed(`a copy on ${node.name} failed: ${String(fields["detail"])}`);
  }

  #nodeOf(process: unknown): NodeProcess | undefined {
    for (const machine of this.machines.values()) {
      if (machine.process === process) return machine.node;
    }
    return undefined;
  }

  #machineOf(nodeId: string): Machine | undefined {
    const machine = this.#byNodeId.get(nodeId);
    return machine;
  }

  #tellOperators(_node: string, delayMs: number, event: () => Parameters<OperatorProcess["tell"]>[0]): void {
    for (const operator of this.operators.values()) {
      this.loop.after(delayMs, operator.process, "workload", () => operator.tell(event()));
    }
  }

  #createCollection(): void {
    const { shards, factor, minReplicasForWrite } = this.schedule.shape;
    const spec = parseCollectionSpec(
      { shards, replication: { factor, minReplicasForWrite }, fields: [{ name: "by", type: "keyword" }] },
      { replication: { factor, minReplicasForWrite } },
      { name: COLLECTION },
    );
    void this.store.create({
      kind: "PrismCollection",
      name: COLLECTION,
      spec: { ...spec, clusterRef: { name: this.#cluster.metadata.name } },
      status: { shardsCreated: false },
    });
    this.store.watch("PrismShard", "0", ({ type, object }) => {
      // Without a status it is only a place for a record.
      if (type !== "put" || (object.status as unknown) === undefined) return;
      const { uid } = toRecord(object);
      const known = this.recordObjects.get(uid);
      const before = known?.at(-1)?.status.historyId;
      if (known === undefined) this.recordObjects.set(uid, [object]);
      else known.push(object);
      if (object.status.lastChange.reason === "ShardRecordRebuilt") this.counts.count("recordMadeAgain");
      this.checker.recordStored(object);
      if (before !== undefined && before !== object.status.historyId) this.histories.forget();
    });
  }

  #startClients(): void {
    const { client } = this.schedule;
    const requests = new ClientRequests(this.loop, this.network, this.machines);
    const world: Omit<ClientWorld, "attempt"> = {
      nodes: [...this.machines.keys()],
      refused: (ask) => this.#told(ask, "refused"),
      acknowledged: (ask) => this.#told(ask, "acknowledged"),
      unknown: (ask) => this.#told(ask, "unknown"),
      begin: (ask) => this.histories.begin(ask.id),
      ended: (ask, begun, version) => this.#ended(ask, begun, version),
    };
    for (let i = 0; i < client.clients; i += 1) {
      const name = `client-${i}`;
      const process = this.#process(name, undefined, 0, 1);
      const attempt: ClientWorld["attempt"] = (ask, node, timeoutMs) =>
        requests.attempt(process, ask, node, timeoutMs);
      const one = new SimClient(name, process, client, { ...world, attempt });
      this.#clients.push(one);
      this.loop.within(process, "client", () => one.start());
    }
  }

  /** Linearizable: acknowledged writes, and strong reads that show a document. */
  #ended(ask: Ask, begun: Begun, version: string | undefined): void {
    if (ask.kind === "read") this.counts.count("reads");
    if (version === undefined) return;
    const [term, seq] = version.split(".").map(Number);
    const isKept = [...this.checker.shards.values()].some((shard) => shard.holds({ term: term!, seq: seq! }));
    if (!isKept) return;
    if (ask.kind === "write" || ask.consistency.level === "strong") {
      this.histories.end(begun, seq!, ask.kind);
    }
  }

  #told(ask: WriteAsk, how: "refused" | "acknowledged" | "unknown"): void {
    this.counts.count(`writes.${how}`);
    this.trace(`client: ${ask.name} (${ask.action} ${ask.id}) ${how}`);
    if (how === "refused") for (const shard of this.checker.shards.values()) shard.refused(ask.name);
  }
}

function clusterOf({ shape }: Schedule): PrismCluster {
  const { nodes, zones, factor, minReplicasForWrite } = shape;
  const {
    heartbeatIntervalMs,
    suspectTimeoutMs,
    replicaTimeoutMs,
    slowReplicaTimeoutMs,
    rebuildDelaySeconds,
  } = shape;
  return parseCluster({
    apiVersion: "prism.dev/v1alpha1",
    kind: "PrismCluster",
    metadata: { name: "sim" },
    spec: {
      version: "0.1.0",
      mode: "Cluster",
      nodes,
      topology: {
        domain: "Zone",
        zones: "abcdefg"
          .slice(0, zones)
          .split("")
          .map((name) => ({ name })),
      },
      replication: { factor, minReplicasForWrite },
      health: {
        heartbeatIntervalMs,
        failureThreshold: 3,
        suspectTimeoutMs,
        replicaTimeoutMs,
        slowReplicaTimeoutMs,
        rebuildDelaySeconds,
      },
    },
  });
}
