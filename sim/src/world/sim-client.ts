/**
 * A client as the SDK makes one: its endpoint pool and its retry policy, around calls over the
 * simulated network. Writes and reads documents that it shares with other clients.
 */
import { EndpointPool } from "@prism/client/endpoint-pool";
import { decideRetry, type AttemptOutcome } from "@prism/client/retry-policy";
import type { Consistency } from "@prism/api/consistency";
import type { Problem } from "@prism/api/problem-code";
import type { Begun } from "../check/linearizability.js";
import type { Random } from "../runtime/random.js";
import type { VirtualProcess } from "../runtime/virtual-process.js";
import type { ClientShape } from "../schedule.js";

export interface WriteAsk {
  readonly kind: "write";
  /** The client's own for it; the document it writes says it. */
  readonly name: string;
  /** Undefined: the write may be sent once only. */
  readonly operationId: string | undefined;
  readonly action: "put" | "create" | "patch" | "delete";
  readonly id: string;
  readonly document: Uint8Array | undefined;
  readonly ifMatch: string | undefined;
}

export interface ReadAsk {
  readonly kind: "read";
  readonly id: string;
  readonly consistency: Consistency;
}

export type Ask = WriteAsk | ReadAsk;

export interface Told {
  readonly session: string | undefined;
  /** "<term>.<seq>" of the document, when there is one. */
  readonly version: string | undefined;
}

/** How one attempt ended, as the network shows it. */
export type AttemptEnd =
  | { readonly kind: "told"; readonly told: Told }
  | { readonly kind: "unsent" | "lost" }
  | { readonly kind: "problem"; readonly problem: Problem };

export interface ClientWorld {
  readonly nodes: readonly string[];
  attempt(ask: Ask, node: string, timeoutMs: number): Promise<AttemptEnd>;
  /** The caller of a write was told, once and for all, that it was not executed. */
  refused(ask: WriteAsk): void;
  acknowledged(ask: WriteAsk): void;
  /** An operation begins, and has ended with a version of its document. */
  begin(ask: Ask): Begun;
  ended(ask: Ask, begun: Begun, version: string | undefined): void;
  unknown(ask: WriteAsk): void;
}

const RETRY = { retries: 6, baseDelayMs: 50, maxDelayMs: 1000 };
const RETRY_AFTER_MS = 200;
/** One write of so many carries no operation id. */
const ONCE_EVERY = 8;

export class SimClient {
  readonly #name: string;
  readonly #process: VirtualProcess;
  readonly #random: Random;
  readonly #shape: ClientShape;
  readonly #world: ClientWorld;
  readonly #pool: EndpointPool;
  #stopped = false;
  #operations = 0;
  #session: string | undefined;
  readonly #versions = new Map<string, string>();

  constructor(name: string, process: VirtualProcess, shape: ClientShape, world: ClientWorld) {
    this.#name = name;
    this.#process = process;
    this.#random = process.random;
    this.#shape = shape;
    this.#world = world;
    this.#pool = new EndpointPool(world.nodes, this.#random.below(world.nodes.length));
  }

  /** Runs in a turn of its process. */
  start(): void {
    this.#process.setTimeout(() => void this.#work(), this.#random.between(0, this.#shape.thinkMs));
  }

  stop(): void {
    this.#stopped = true;
  }

  async #work(): Promise<void> {
    while (!this.#stopped) {
      const isRead = this.#random.chance(this.#shape.reads);
      await (isRead ? this.#read() : this.#write());
      await this.#pause(-Math.log(1 - this.#random.next()) * this.#shape.thinkMs);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  async #read(): Promise<void> {
    const id = this.#document();
    const ask: ReadAsk = { kind: "read", id, consistency: this.#consistency() };
    const begun = this.#world.begin(ask);
    const end = await this.#call(ask);
    if (end.kind !== "told") return;
    this.#session = end.told.session;
    if (end.told.version !== undefined) this.#versions.set(id, end.told.version);
    this.#world.ended(ask, begun, end.told.version);
  }

  async #write(): Promise<void> {
    this.#operations += 1;
    const name = `${this.#name}-${this.#operations}`;
    const operationId = this.#operations % ONCE_EVERY === 0 ? undefined : name;
    const id = this.#document();
    const dice = this.#random.next();
    const action = dice < 0.7 ? "put" : dice < 0.8 ? "create" : dice < 0.9 ? "patch" : "delete";
    const document = action === "delete" ? undefined : Buffer.from(JSON.stringify({ by: name }));
    const ifMatch = action !== "create" && this.#random.chance(0.15) ? this.#versions.get(id) : undefined;
    const ask: WriteAsk = { kind: "write", name, operationId, action, id, document, ifMatch };
    const begun = this.#world.begin(ask);
    const end = await this.#call(ask);
    if (end.kind === "told") {
      this.#world.ended(ask, begun, end.told.version);
      this.#session = end.told.session;
      if (end.told.version !== undefined) this.#versions.set(id, end.told.version);
      this.#world.acknowledged(ask);
    } else if (end.executed === "no") this.#world.refused(ask);
    else this.#world.unknown(ask);
  }

  #consistency(): Consistency {
    const dice = this.#random.next();
    const session = this.#session === undefined ? {} : { session: this.#session };
    if (dice < 0.35) return { level: "strong", allowDowngrade: false };
    if (dice < 0.5)
      return { level: "bounded", maxStalenessMs: this.#random.pick([20, 200]), allowDowngrade: false };
    if (dice < 0.8 && this.#session !== undefined) {
      return { level: "readYourWrites", allowDowngrade: false, ...session };
    }
    return { level: "eventual", allowDowngrade: false };
  }

  #document(): string {
    return `d${this.#random.below(this.#shape.documents)}`;
  }

  /** As the SDK's transport: attempts until it is done, may not go on, or its time is up. */
  async #call(
    ask: Ask,
  ): Promise<
    | { readonly kind: "told"; readonly told: Told }
    | { readonly kind: "failed"; readonly executed: "no" | "unknown" }
  > {
    const deadlineMs = performance.now() + this.#shape.timeoutMs;
    let avoid: string | undefined;
    let executed: "no" | "unknown" = "no";
    for (let attempt = 1; ; attempt += 1) {
      const node = this.#pool.pick([], avoid, performance.now());
      const timeoutMs = Math.min(this.#shape.attemptTimeoutMs, deadlineMs - performance.now());
      const end = await this.#world.attempt(ask, node, timeoutMs);
      if (end.kind === "told") {
        this.#pool.worked(node);
        return end;
      }
      // As the SDK's users are told to: what was seen of the history that was given up is not asked for again.
      if (end.kind === "problem" && end.problem.code === "historyLost") this.#session = undefined;
      const outcome = this.#outcome(end, node);
      if (ask.kind === "write" && mayHaveExecuted(outcome)) executed = "unknown";
      const remainingMs = deadlineMs - performance.now();
      const repeatable = ask.kind === "read" || ask.operationId !== undefined;
      const decision = decideRetry(outcome, attempt, repeatable, RETRY, remainingMs, this.#random.next());
      if (!decision.retry) return { kind: "failed", executed };
      avoid = node;
      if (decision.waitMs > 0) await this.#pause(decision.waitMs);
      if (deadlineMs <= performance.now()) return { kind: "failed", executed };
    }
  }

  #outcome(end: Exclude<AttemptEnd, { kind: "told" }>, node: string): AttemptOutcome {
    if (end.kind !== "problem") {
      this.#pool.failed(node, performance.now());
      return { kind: end.kind };
    }
    const { kind, executed } = end.problem;
    const asksForPause = kind.status === 429 || kind.status === 503;
    this.#pool.worked(node);
    const retryAfterMs = asksForPause ? RETRY_AFTER_MS : undefined;
    return { kind: "answered", retryable: kind.retryable, executed, retryAfterMs };
  }
}

function mayHaveExecuted(outcome: AttemptOutcome): boolean {
  if (outcome.kind === "unsent") return false;
  return outcome.kind === "lost" || outcome.executed === "unknown";
}
