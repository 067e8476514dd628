/**
 * The network between simulated hosts. Connections carry frames in order, as TCP does: what a cut holds
 * back arrives after it, unless the connection is given up first. `toss` is for what the protocol
 * promises to bear: frames that overtake each other, get lost, or arrive twice.
 */
import type { Random } from "../runtime/random.js";
import type { VirtualProcess } from "../runtime/virtual-process.js";
import type { WorldLoop } from "../runtime/world-loop.js";

/** A connection whose frames do not get through for this long is given up by both ends. */
const KEEPALIVE_MS = 1500;
const DIAL_TIMEOUT_MS = 2000;
/** Stands for every control plane's host. */
const OPERATORS = "operator";

export interface NetworkManners {
  /** One way, without jitter. */
  readonly delayMs: number;
  readonly jitterMs: number;
  /** Of tossed frames. */
  readonly loss: number;
  readonly duplicates: number;
}

export interface Side {
  readonly process: VirtualProcess;
  readonly host: string;
  readonly onFrame: (frame: unknown) => void;
  readonly onClosed: (detail: string) => void;
}

type Accept = (connection: Connection) => Side;

interface Cut {
  readonly from: string;
  readonly to: string;
  readonly untilMs: number;
}

interface Clog {
  readonly host: string;
  readonly untilMs: number;
  readonly extraMs: number;
}

export class Network {
  readonly #loop: WorldLoop;
  readonly #random: Random;
  #manners: NetworkManners;
  readonly #listeners = new Map<string, { process: VirtualProcess; accept: Accept }>();
  readonly #connections = new Set<Connection>();
  #cuts: Cut[] = [];
  #clogs: Clog[] = [];
  /** Called when a frame leaves a host. */
  onSend: (host: string) => void = () => undefined;

  constructor(loop: WorldLoop, random: Random, manners: NetworkManners) {
    this.#loop = loop;
    this.#random = random;
    this.#manners = manners;
  }

  get loop(): WorldLoop {
    return this.#loop;
  }

  listen(host: string, service: string, process: VirtualProcess, accept: Accept): void {
    this.#listeners.set(`${host}/${service}`, { process, accept });
  }

  /** "*" stands for every host. */
  cut(from: string, to: string, durationMs: number): void {
    this.#cuts.push({ from, to, untilMs: this.#loop.nowMs + durationMs });
  }

  clog(host: string, durationMs: number, extraMs: number): void {
    this.#clogs.push({ host, untilMs: this.#loop.nowMs + durationMs, extraMs });
  }

  /** Nothing is held back, lost or doubled any more; what is on its way still overtakes. */
  heal(): void {
    this.#cuts = [];
    this.#clogs = [];
    this.#manners = { ...this.#manners, loss: 0, duplicates: 0 };
  }

  /** When frames get through again; a time that has passed when they do now. */
  blockedUntilMs(from: string, to: string): number {
    let untilMs = 0;
    for (const cut of this.#cuts) {
      const matches = covers(cut.from, from) && covers(cut.to, to);
      if (matches && cut.untilMs > untilMs) untilMs = cut.untilMs;
    }
    return from === to ? 0 : untilMs;
  }

  delayMs(from: string, to: string): number {
    const { delayMs, jitterMs } = this.#manners;
    let sum = delayMs + jitterMs * this.#random.next() ** 2;
    for (const { host, untilMs, extraMs } of this.#clogs) {
      if ((host === from || host === to) && untilMs > this.#loop.nowMs) sum += extraMs * this.#random.next();
    }
    return sum;
  }

  get manners(): NetworkManners {
    return this.#manners;
  }

  get random(): Random {
    return this.#random;
  }

  /** Returns at once; frames sent before the other end took it are delivered after. */
  dial(side: Side, host: string, service: string): Connection {
    const connection = new Connection(this, side, host);
    this.#connections.add(connection);
    const { nowMs } = this.#loop;
    const blockedMs =
      Math.max(this.blockedUntilMs(side.host, host), this.blockedUntilMs(host, side.host)) - nowMs;
    if (blockedMs > DIAL_TIMEOUT_MS) {
      this.#loop.after(DIAL_TIMEOUT_MS, undefined, "dial", () => connection.break("no answer"));
      return connection;
    }
    const waitMs = Math.max(0, blockedMs) + this.delayMs(side.host, host);
    this.#loop.after(waitMs, undefined, "dial", () => {
      const listener = this.#listeners.get(`${host}/${service}`);
      if (listener === undefined || !listener.process.alive) connection.break("connection refused");
      else connection.accepted(listener.process, listener.accept);
    });
    return connection;
  }

  /** The kernel closes what the process had open. */
  processDied(process: VirtualProcess): void {
    for (const connection of this.#connections) connection.processDied(process);
  }

  /** Breaks every connection between the two hosts, as a middlebox does. */
  reset(a: string, b: string): void {
    for (const connection of this.#connections) {
      if (connection.joins(a, b)) connection.break("connection reset");
    }
  }

  forget(connection: Connection): void {
    this.#connections.delete(connection);
  }

  keepaliveMs(): number {
    return KEEPALIVE_MS;
  }
}

function covers(pattern: string, host: string): boolean {
  return pattern === "*" || pattern === host || (pattern === OPERATORS && host.startsWith(OPERATORS));
}

export class Connection {
  readonly #network: Network;
  readonly #hosts: readonly [string, string];
  readonly #sides: [Side, Side | undefined];
  readonly #lastMs: [number, number] = [0, 0];
  #early: unknown[] = [];
  #open = true;

  constructor(network: Network, dialler: Side, host: string) {
    this.#network = network;
    this.#hosts = [dialler.host, host];
    this.#sides = [dialler, undefined];
  }

  get isOpen(): boolean {
    return this.#open;
  }

  joins(a: string, b: string): boolean {
    const [x, y] = this.#hosts;
    return (x === a && y === b) || (x === b && y === a);
  }

  accepted(process: VirtualProcess, accept: Accept): void {
    if (!this.#open) return;
    this.#network.loop.within(process, "accept", () => {
      this.#sides[1] = accept(this);
      for (const frame of this.#early.splice(0)) this.send(0, frame);
    });
  }

  /** In order. `from` is 0 for the side that dialled. */
  send(from: 0 | 1, frame: unknown): void {
    const sender = this.#sides[from];
    if (!this.#open || sender?.process.alive !== true) return;
    if (from === 0 && this.#sides[1] === undefined) {
      this.#early.push(frame);
      return;
    }
    this.#network.onSend(sender.host);
    const { loop } = this.#network;
    const blockedUntilMs = this.#blockedUntilMs(from);
    if (blockedUntilMs - loop.nowMs > this.#network.keepaliveMs()) {
      loop.after(this.#network.keepaliveMs(), undefined, "keepalive", () => this.break("keepalive timeout"));
      return;
    }
    const to = (1 - from) as 0 | 1;
    const delayMs = this.#network.delayMs(this.#hosts[from], this.#hosts[to]);
    const atMs = Math.max(this.#lastMs[from], Math.max(loop.nowMs, blockedUntilMs) + delayMs);
    this.#lastMs[from] = atMs;
    this.#deliver(to, frame, atMs - loop.nowMs);
  }

  /** Out of order, perhaps never, perhaps twice. */
  toss(from: 0 | 1, frame: unknown): void {
    const sender = this.#sides[from];
    const to = (1 - from) as 0 | 1;
    if (!this.#open || sender?.process.alive !== true || this.#sides[to] === undefined) return;
    this.#network.onSend(sender.host);
    const { loop, random, manners } = this.#network;
    const isLost = random.chance(manners.loss) || this.#blockedUntilMs(from) > loop.nowMs;
    const isDoubled = random.chance(manners.duplicates);
    if (!isLost) this.#deliver(to, frame, this.#network.delayMs(this.#hosts[from], this.#hosts[to]));
    // The second one may come much later.
    if (isDoubled) this.#deliver(to, frame, random.between(1, 300));
  }

  /** One side ends it; the other learns of it. */
  close(by: 0 | 1): void {
    if (!this.#open) return;
    this.#end();
    this.#tellClosed((1 - by) as 0 | 1, "closed by the other side");
  }

  /** Both sides lose it. */
  break(detail: string): void {
    if (!this.#open) return;
    this.#end();
    for (const side of this.#sides) {
      if (side !== undefined)
        this.#network.loop.after(0, side.process, "broken", () => side.onClosed(detail));
    }
  }

  processDied(process: VirtualProcess): void {
    const [dialler, other] = this.#sides;
    if (dialler.process === process) this.close(0);
    else if (other?.process === process) this.close(1);
  }

  #end(): void {
    this.#open = false;
    this.#network.forget(this);
  }

  #tellClosed(to: 0 | 1, detail: string): void {
    const side = this.#sides[to];
    if (side === undefined) return;
    const { loop } = this.#network;
    const from = (1 - to) as 0 | 1;
    const blockedMs = Math.max(0, this.#blockedUntilMs(from) - loop.nowMs);
    const waitMs = Math.min(blockedMs, this.#network.keepaliveMs());
    const delayMs = this.#network.delayMs(this.#hosts[from], this.#hosts[to]);
    loop.after(waitMs + delayMs, side.process, "closed", () => side.onClosed(detail));
  }

  #blockedUntilMs(from: 0 | 1): number {
    const [a, b] = this.#hosts;
    return from === 0 ? this.#network.blockedUntilMs(a, b) : this.#network.blockedUntilMs(b, a);
  }

  #deliver(to: 0 | 1, frame: unknown, delayMs: number): void {
    const side = this.#sides[to];
    if (side === undefined) return;
    this.#network.loop.after(delayMs, side.process, "frame", () => {
      if (this.#open) side.onFrame(frame);
    });
  }
}
