/**
 * A network between the processes of a local cluster that can be cut, slowed and healed: in front of
 * each node's internal port stands a TCP proxy, which control plane and peers are told to dial
 * (LocalClusterOptions.routePeerAddress). A connection says who opened it in its first frame, so each
 * direction between each two processes has its own condition, whichever of them dialled.
 *
 *   impair("node-a-0", "node-b-0", { cut: true })     nothing of what a sends reaches b; b's words reach a
 *   separate("node-a-0")                              neither peers nor control plane, both ways
 *
 * A cut is silence, as of a cable: connections stay open, what was sent is held back, ends are not
 * told. When it heals, what both sides still have open goes on, as with TCP's own retransmission.
 */
import { readFileSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { once } from "node:events";

/** What the messages of one process to another suffer. */
export interface LinkFault {
  readonly cut?: boolean;
  readonly delayMs?: number;
  readonly bytesPerSecond?: number;
}

export const CONTROL_PLANE = "control plane";

/** Bytes of a connection in which its first frame must have come. */
const HEAD_BYTES = 8192;
/** Held back for a receiver before the sender is made to wait. */
const HELD_BYTES = 256 * 1024;
/** A slow link passes what is due in steps of this. */
const PACE_MS = 10;

export class FaultNetwork {
  readonly #dataDirectory: string;
  readonly #proxies = new Map<string, NodeProxy>();
  readonly #faults = new Map<string, LinkFault>();

  /** @param nodes names of all nodes that the cluster will have */
  static async start(nodes: readonly string[], dataDirectory: string): Promise<FaultNetwork> {
    const network = new FaultNetwork(dataDirectory);
    for (const node of nodes) {
      const proxy = new NodeProxy(node, {
        faultOf: (from, to) => network.#faults.get(linkName(from, to)) ?? {},
        senderOf: (head) => network.#senderOf(head),
      });
      await proxy.listen();
      network.#proxies.set(node, proxy);
    }
    return network;
  }

  private constructor(dataDirectory: string) {
    this.#dataDirectory = dataDirectory;
  }

  /** For LocalClusterOptions.routePeerAddress. */
  readonly route = (node: string, address: string): string => {
    const proxy = this.#proxies.get(node);
    if (proxy === undefined) throw new Error(`no proxy for ${node}`);
    // What was routed before comes back when the control plane reads its own record.
    if (address !== proxy.address) proxy.target = address;
    return proxy.address;
  };

  /** From now on, until `heal` or another fault for the same direction. */
  impair(from: string, to: string, fault: LinkFault): void {
    this.#faults.set(linkName(from, to), fault);
    this.#pump();
  }

  /** All directions between the node and each of the others, both ways. */
  separate(node: string, others: readonly string[] = [CONTROL_PLANE, ...this.#proxies.keys()]): void {
    for (const other of others) {
      if (other === node) continue;
      this.#faults.set(linkName(node, other), { cut: true });
      this.#faults.set(linkName(other, node), { cut: true });
    }
    this.#pump();
  }

  heal(): void {
    this.#faults.clear();
    this.#pump();
  }

  /** Bytes that reached the node from this sender since the start. */
  bytes(from: string, to: string): number {
    const [dialled, answered] = [this.#proxies.get(to), this.#proxies.get(from)];
    return (dialled?.bytesFrom(from, "toNode") ?? 0) + (answered?.bytesFrom(to, "fromNode") ?? 0);
  }

  /** Pieces of `from`'s words to `to` that have come this far and wait, the end of a connection among them. */
  held(from: string, to: string): number {
    const dialled = this.#proxies.get(to);
    const answered = this.#proxies.get(from);
    return (dialled?.heldOf(from, "toNode") ?? 0) + (answered?.heldOf(to, "fromNode") ?? 0);
  }

  close(): void {
    for (const proxy of this.#proxies.values()) proxy.close();
  }

  #pump(): void {
    for (const proxy of this.#proxies.values()) proxy.pump();
  }

  #senderOf(head: Buffer): string | undefined {
    for (const name of this.#proxies.keys()) {
      const record = this.#read("nodes", name, "data", "node.json");
      if (record?.nodeId !== undefined && head.includes(record.nodeId)) return name;
    }
    const operator = this.#read("operator.json");
    return operator?.clusterId !== undefined && head.includes(operator.clusterId) ? CONTROL_PLANE : undefined;
  }

  #read(...path: readonly string[]): Identity | undefined {
    try {
      return JSON.parse(readFileSync(join(this.#dataDirectory, ...path), "utf8")) as Identity;
    } catch {
      // Not written yet: the connection is looked at again with its next bytes.
      return undefined;
    }
  }
}

interface Identity {
  readonly nodeId?: string;
  readonly clusterId?: string;
}

function linkName(from: string, to: string): string {
  return `${from} > ${to}`;
}

interface Surroundings {
  readonly faultOf: (from: string, to: string) => LinkFault;
  readonly senderOf: (head: Buffer) => string | undefined;
}

type Way = "toNode" | "fromNode";

class NodeProxy {
  readonly #node: string;
  readonly #surroundings: Surroundings;
  readonly #server: Server;
  readonly #connections = new Set<ProxiedConnection>();
  readonly #bytes = new Map<string, number>();
  target = "";

  constructor(node: string, surroundings: Surroundings) {
    this.#node = node;
    this.#surroundings = surroundings;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  bytesFrom(dialler: string, way: Way): number {
    return this.#bytes.get(`${dialler} ${way}`) ?? 0;
  }

  heldOf(dialler: string, way: Way): number {
    return [...this.#connections].reduce((sum, connection) => sum + connection.heldOf(dialler, way), 0);
  }

  pump(): void {
    for (const connection of this.#connections) connection.pump();
  }

  close(): void {
    this.#server.close();
    for (const connection of this.#connections) connection.destroy();
  }

  #accept(client: Socket): void {
    const [host = "", port = "0"] = this.target.split(":");
    const node = connect({ host, port: Number(port), allowHalfOpen: true });
    const connection: ProxiedConnection = new ProxiedConnection(client, node, {
      senderOf: this.#surroundings.senderOf,
      faultOf: (dialler, way) =>
        way === "toNode"
          ? this.#surroundings.faultOf(dialler, this.#node)
          : this.#surroundings.faultOf(this.#node, dialler),
      onBytes: (dialler, way, count) => {
        const key = `${dialler} ${way}`;
        this.#bytes.set(key, (this.#bytes.get(key) ?? 0) + count);
      },
      onClosed: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }
}

interface ConnectionSurroundings {
  readonly senderOf: (head: Buffer) => string | undefined;
  readonly faultOf: (dialler: string, way: Way) => LinkFault;
  readonly onBytes: (dialler: string, way: Way, count: number) => void;
  readonly onClosed: () => void;
}

class ProxiedConnection {
  readonly #surroundings: ConnectionSurroundings;
  readonly #client: Socket;
  readonly #node: Socket;
  readonly #pipes: readonly Pipe[];
  #head: Buffer = Buffer.alloc(0);
  #dialler: string | undefined;

  constructor(client: Socket, node: Socket, surroundings: ConnectionSurroundings) {
    this.#surroundings = surroundings;
    this.#client = client;
    this.#node = node;
    const pipe = (from: Socket, to: Socket, way: Way): Pipe =>
      new Pipe(from, to, {
        fault: () => this.#faultOf(way),
        onChunk: (chunk) => {
          if (way === "toNode") this.#look(chunk);
        },
        onPassed: (count) => surroundings.onBytes(this.#dialler ?? "unknown", way, count),
        onEnd: () => this.#onEnd(),
      });
    this.#pipes = [pipe(client, node, "toNode"), pipe(node, client, "fromNode")];
  }

  heldOf(dialler: string, way: Way): number {
    return this.#dialler === dialler ? this.#pipes[way === "toNode" ? 0 : 1]!.held : 0;
  }

  pump(): void {
    for (const pipe of this.#pipes) pipe.pump();
  }

  destroy(): void {
    this.#client.destroy();
    this.#node.destroy();
    this.#surroundings.onClosed();
  }

  /** Before its first frame a connection is nobody's: what comes then is the same for all. */
  #look(chunk: Buffer): void {
    if (this.#dialler !== undefined || this.#head.length > HEAD_BYTES) return;
    this.#head = Buffer.concat([this.#head, chunk]);
    this.#dialler = this.#surroundings.senderOf(this.#head);
  }

  #faultOf(way: Way): LinkFault {
    this.#dialler ??= this.#surroundings.senderOf(this.#head);
    return this.#dialler === undefined ? {} : this.#surroundings.faultOf(this.#dialler, way);
  }

  #onEnd(): void {
    if (this.#pipes.every((pipe) => pipe.hasEnded)) this.destroy();
  }
}

interface PipeSurroundings {
  readonly fault: () => LinkFault;
  readonly onChunk: (chunk: Buffer) => void;
  readonly onPassed: (bytes: number) => void;
  readonly onEnd: () => void;
}

interface Held {
  /** Undefined: the sender closed the connection. */
  readonly chunk: Buffer | undefined;
  readonly arrivedMs: number;
}

/** One direction of one connection. */
class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #surroundings: PipeSurroundings;
  readonly #held: Held[] = [];
  #heldBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #allowance = 0;
  #pacedMs = performance.now();
  #sourceEnded = false;
  hasEnded = false;

  constructor(from: Socket, to: Socket, surroundings: PipeSurroundings) {
    this.#from = from;
    this.#to = to;
    this.#surroundings = surroundings;
    from.setNoDelay(true);
    from.on("data", (chunk: Buffer) => {
      surroundings.onChunk(chunk);
      this.#hold(chunk);
    });
    from.on("end", () => this.#endSource());
    from.on("error", () => this.#endSource());
    from.on("close", () => this.#endSource());
    to.on("drain", () => this.pump());
  }

  get held(): number {
    return this.#held.length;
  }

  /** Passes on what the link's condition allows now. */
  pump(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const fault = this.#surroundings.fault();
    const nowMs = performance.now();
    if (fault.bytesPerSecond !== undefined) {
      const earned = ((nowMs - this.#pacedMs) / 1000) * fault.bytesPerSecond;
      // At most two steps' worth is saved up, or a quiet link would start with a burst.
      this.#allowance = Math.min(this.#allowance + earned, (fault.bytesPerSecond * 2 * PACE_MS) / 1000);
    }
    this.#pacedMs = nowMs;
    while (this.#held.length > 0 && fault.cut !== true) {
      const { chunk, arrivedMs } = this.#held[0]!;
      const waitMs = arrivedMs + (fault.delayMs ?? 0) - nowMs;
      if (waitMs > 0) return this.#later(waitMs);
      if (chunk === undefined) return this.#end();
      if (!this.#pass(chunk, fault)) return;
    }
    if (this.#heldBytes < HELD_BYTES) this.#from.resume();
  }

  /** False when the rest must wait. */
  #pass(chunk: Buffer, { bytesPerSecond }: LinkFault): boolean {
    let now = chunk;
    if (bytesPerSecond !== undefined) {
      now = chunk.subarray(0, Math.floor(this.#allowance));
      this.#allowance -= now.length;
      if (now.length < chunk.length) {
        this.#held[0] = { chunk: chunk.subarray(now.length), arrivedMs: 0 };
        this.#later(PACE_MS);
      }
    }
    if (now.length === chunk.length) this.#held.shift();
    this.#heldBytes -= now.length;
    this.#surroundings.onPassed(now.length);
    const hasRoom = now.length === 0 || this.#to.write(now);
    return now.length === chunk.length && hasRoom;
  }

  #hold(chunk: Buffer): void {
    this.#held.push({ chunk, arrivedMs: performance.now() });
    this.#heldBytes += chunk.length;
    if (this.#heldBytes >= HELD_BYTES) this.#from.pause();
    this.pump();
  }

  #endSource(): void {
    if (this.#sourceEnded) return;
    this.#sourceEnded = true;
    this.#held.push({ chunk: undefined, arrivedMs: performance.now() });
    this.pump();
  }

  #end(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.#held.length = 0;
    this.#to.end();
    this.#surroundings.onEnd();
  }

  #later(waitMs: number): void {
    this.#timer = setTimeout(() => this.pump(), waitMs);
  }
}
