/**
 * Writers that work on a collection until they are told to stop, and write down every operation with
 * its outcome. Each has ids of its own and works on one at a time, so that the order of what happened
 * to an id is known. An id whose last outcome stays unknown gets no more operations: another takes its place.
 */
import { setTimeout as delay } from "node:timers/promises";
import { PrismError, type PrismClient } from "@prism/client";
import { History, valueOf, type OperationKind, type Outcome } from "./history.js";
import type { SeededRandom } from "./seeded-random.js";
import { waitUntil } from "./wait-until.js";

export interface WritersOptions {
  /** Handed out to the writers in turn. */
  readonly clients: readonly PrismClient[];
  readonly collection: string;
  readonly writers: number;
  readonly idsPerWriter: number;
  readonly random: SeededRandom;
  /** Before the ids, so that several runs can share a collection. */
  readonly prefix?: string;
  /** Of one operation, the SDK's retries included. */
  readonly timeoutMs?: number;
  /** Times an operation with an unknown outcome is sent again under its operation id. Default 4. */
  readonly resends?: number;
  readonly history?: History;
}

/** So long a refused writer waits before it goes on: it is a client, and a client backs off. */
const PAUSE_MS = 20;
const WORDS = ["war", "peace", "tax", "river", "vote", "road", "bank", "corn", "law", "ship"];

export class Writers {
  readonly history: History;
  readonly #options: WritersOptions;
  readonly #running: Promise<void>[];
  #stopping = false;
  #counter = 0;

  constructor(options: WritersOptions) {
    this.#options = options;
    this.history = options.history ?? new History();
    // Operation ids and documents of one history must differ, however many writers it has had.
    this.#counter = this.history.ids.length * 1_000_000;
    this.#running = Array.from({ length: options.writers }, (_, writer) => this.#run(writer));
  }

  /** Waits until this many more writes are acknowledged. */
  async progress(acknowledged: number, timeoutMs: number): Promise<void> {
    const target = this.history.acknowledged + acknowledged;
    const enough = () => this.history.acknowledged >= target;
    await waitUntil(`${acknowledged} more acknowledged writes`, timeoutMs, enough);
  }

  /** Resolves when no operation is under way. */
  async stop(): Promise<History> {
    this.#stopping = true;
    await Promise.all(this.#running);
    return this.history;
  }

  async #run(writer: number): Promise<void> {
    const { random, idsPerWriter, prefix = "" } = this.#options;
    const choices = random.fork(`writer ${writer}`);
    const generation = Array.from({ length: idsPerWriter }, () => 0);
    while (!this.#stopping) {
      const slot = choices.integer(0, idsPerWriter - 1);
      const id = `${prefix}w${writer}-${slot}.${generation[slot]!}`;
      const outcome = await this.#operate(writer, id, kindOf(choices));
      if (outcome.kind === "unknown") generation[slot]! += 1;
      if (outcome.kind === "unknown" || outcome.kind === "refused") await delay(PAUSE_MS);
    }
  }

  async #operate(writer: number, id: string, kind: OperationKind): Promise<Outcome> {
    this.#counter += 1;
    const counter = this.#counter;
    const started = performance.now();
    const client = this.#options.clients[writer % this.#options.clients.length]!;
    const { resends = 4 } = this.#options;
    let outcome = await this.#attempt(client, id, kind, counter);
    for (let resend = 0; outcome.kind === "unknown" && resend < resends && !this.#stopping; resend += 1) {
      await delay(PAUSE_MS);
      const again = await this.#attempt(client, id, kind, counter);
      // That the second try was not executed says nothing of the first.
      if (again.kind === "acknowledged") outcome = again;
    }
    // A read that got no answer says nothing.
    if (kind !== "read" || outcome.kind === "found")
      this.history.add({ id, kind, counter, outcome, tookMs: performance.now() - started });
    return kind === "read" ? { kind: "found", value: undefined } : outcome;
  }

  async #attempt(client: PrismClient, id: string, kind: OperationKind, counter: number): Promise<Outcome> {
    const { collection: name, timeoutMs, prefix = "" } = this.#options;
    const collection = client.collection(name);
    const options = {
      operationId: `${prefix}${counter}`,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    };
    try {
      if (kind === "read") {
        const document = await collection.get(id, options);
        return { kind: "found", value: valueOf(document?.fields) };
      }
      const written = await (kind === "put"
        ? collection.put(id, documentOf(counter), options)
        : kind === "create"
          ? collection.create(id, documentOf(counter), options)
          : kind === "patch"
            ? collection.patch(id, { patched: counter }, options)
            : collection.delete(id, options));
      return { kind: "acknowledged", result: written.result, version: `${written.term}.${written.seq}` };
    } catch (error) {
      if (!(error instanceof PrismError)) throw error;
      return { kind: error.executed === "no" ? "refused" : "unknown", code: error.code };
    }
  }
}

function kindOf(random: SeededRandom): OperationKind {
  const at = random.next();
  if (at < 0.45) return "put";
  if (at < 0.7) return "patch";
  if (at < 0.82) return "create";
  return at < 0.92 ? "delete" : "read";
}

function documentOf(counter: number): Record<string, unknown> {
  const word = (by: number): string => WORDS[Math.floor(counter / by) % WORDS.length]!;
  return { counter, body: `${word(1)} ${word(10)} ${word(100)}`, tag: word(1) };
}

/** The collection that writers fill. */
export const WRITTEN_FIELDS = [
  { name: "body", type: "text" },
  { name: "tag", type: "keyword" },
  { name: "counter", type: "long" },
  { name: "patched", type: "long" },
] as const;
