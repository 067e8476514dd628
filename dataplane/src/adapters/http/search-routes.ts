/** Search and count. */
import type { FastifyInstance } from "fastify";
import type { Limits } from "@prism/api/limits";
import { parseCountRequest, parseSearchRequest } from "@prism/api/search";
import type { Coordinator } from "../../services/coordinator.js";
import { searchJson } from "./answer-json.js";
import { jsonBodyOf, refuseQuery } from "./request-body.js";
import { signalOf, type RequestContext } from "./request-context.js";

interface CollectionParams {
  Params: { c: string };
}

export function addSearchRoutes(
  app: FastifyInstance,
  { search }: Coordinator,
  context: RequestContext,
  limits: Limits,
): void {
  app.post<CollectionParams>("/collections/:c/search", (request, reply) =>
    context.countSearch(async () => {
      refuseQuery(request);
      const startedAtMs = performance.now();
      const body = parseSearchRequest(jsonBodyOf(request), limits);
      const answer = await search.search(request.params.c, body, signalOf(reply));
      const tookMs = millisecondsSince(startedAtMs);
      return reply.type("application/json; charset=utf-8").send(searchJson(answer, tookMs, request.id));
    }),
  );

  app.post<CollectionParams>("/collections/:c/count", (request, reply) =>
    context.countSearch(async () => {
      refuseQuery(request);
      const startedAtMs = performance.now();
      const body = parseCountRequest(jsonBodyOf(request), limits);
      const answer = await search.count(request.params.c, body, signalOf(reply));
      return {
        tookMs: millisecondsSince(startedAtMs),
        ...answer,
        count: answer.total.value,
        requestId: request.id,
      };
    }),
  );
}

/** To a tenth: enough to compare, short to read. */
function millisecondsSince(startedAtMs: number): number {
  return Math.round((performance.now() - startedAtMs) * 10) / 10;
}
