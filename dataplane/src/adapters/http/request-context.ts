/** What every request has: a time limit, and an end when its client goes away. */
import type { FastifyReply } from "fastify";
import { describeLimit, type Limits } from "@prism/api/limits";
import { Problem } from "@prism/api/problem-code";
import { DEFAULT_WRITE_TIMEOUT_MS } from "@prism/api/request-query";
import { Cancellation, type CancelSignal } from "../../services/cancellation.js";
import type { Coordinator } from "../../services/coordinator.js";
import { Deadline } from "../../services/deadline.js";
import type { Waiting } from "../../services/documents.js";

export class RequestContext {
  readonly #coordinator: Coordinator;
  readonly #limits: Limits;
  #searches = 0;
  #bulks = 0;

  constructor(coordinator: Coordinator, limits: Limits) {
    this.#coordinator = coordinator;
    this.#limits = limits;
  }

  /** Throws Problem `limitExceeded`. */
  timeoutMs(asked: number | undefined, kind: "read" | "write"): number {
    if (asked === undefined) {
      const settings = this.#coordinator.directory.current()?.map.settings;
      const byDefault = kind === "write" ? DEFAULT_WRITE_TIMEOUT_MS : (settings?.search.timeoutMs ?? 5000);
      return Math.min(byDefault, this.#limits.timeoutMs);
    }
    if (asked > this.#limits.timeoutMs) {
      const detail = `timeoutMs ${asked} is too long, ${describeLimit("timeoutMs", this.#limits)}`;
      throw new Problem("limitExceeded", detail);
    }
    return asked;
  }

  waiting(reply: FastifyReply, asked: number | undefined, kind: "read" | "write"): Waiting {
    return { deadline: Deadline.in(this.timeoutMs(asked, kind)), signal: signalOf(reply) };
  }

  /** Counts a bulk request until its connection has its answer or is gone. Throws Problem `tooManyRequests`. */
  countBulk(reply: FastifyReply): void {
    if (this.#bulks >= this.#limits.bulksInFlight) {
      const detail = `${this.#bulks} bulk requests are running, ${describeLimit("bulksInFlight", this.#limits)}`;
      throw new Problem("tooManyRequests", detail);
    }
    this.#bulks += 1;
    let isCounted = true;
    const end = (): void => {
      if (isCounted) this.#bulks -= 1;
      isCounted = false;
    };
    reply.raw.once("finish", end);
    reply.raw.once("close", end);
  }

  /** Counts a search while it runs. Throws Problem `tooManyRequests` instead of running it above the limit. */
  async countSearch<T>(run: () => Promise<T>): Promise<T> {
    if (this.#searches >= this.#limits.searchesInFlight) {
      const detail = `${this.#searches} searches are running, ${describeLimit("searchesInFlight", this.#limits)}`;
      throw new Problem("tooManyRequests", detail);
    }
    this.#searches += 1;
    try {
      return await run();
    } finally {
      this.#searches -= 1;
    }
  }
}

/** Aborts when the connection closes before the answer is sent. */
export function signalOf(reply: FastifyReply): CancelSignal {
  const cancellation = new Cancellation();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) cancellation.abort();
  });
  return cancellation;
}
