/** Proof that the copies of a collection are the same. */
import type { FastifyInstance } from "fastify";
import { describeLimit, type Limits } from "@prism/api/limits";
import { Problem } from "@prism/api/problem-code";
import { DEFAULT_VERIFY_TIMEOUT_MS, parseVerifyQuery } from "@prism/api/verify";
import type { Coordinator } from "../../services/coordinator.js";
import { Deadline } from "../../services/deadline.js";
import { signalOf } from "./request-context.js";

interface CollectionParams {
  Params: { c: string };
}

export function addVerifyRoute(app: FastifyInstance, { verify }: Coordinator, limits: Limits): void {
  app.get<CollectionParams>("/collections/:c/verify", async (request, reply) => {
    const query = parseVerifyQuery(request.query);
    const { timeoutMs = Math.min(DEFAULT_VERIFY_TIMEOUT_MS, limits.verifyMs) } = query;
    if (timeoutMs > limits.verifyMs) {
      const detail = `timeoutMs ${timeoutMs} is too long, ${describeLimit("verifyMs", limits)}`;
      throw new Problem("limitExceeded", detail);
    }
    const startedAtMs = performance.now();
    const waiting = { deadline: Deadline.in(timeoutMs), signal: signalOf(reply) };
    const { collection, status, shards } = await verify.verify(request.params.c, query, waiting);
    return { collection, status, tookMs: Math.round(performance.now() - startedAtMs), shards };
  });
}
