/** What is left of a shard, and the forced reset that goes on with it. */
import type { FastifyInstance } from "fastify";
import { parseAcceptDataLoss } from "@prism/api/data-loss";
import { parseRequestQuery } from "@prism/api/request-query";
import type { Coordinator } from "../../services/coordinator.js";
import { jsonBodyOf } from "./request-body.js";
import type { RequestContext } from "./request-context.js";

interface ShardParams {
  Params: { c: string; shard: string };
}

const PATH = "/collections/:c/shards/:shard/data-loss";

export function addDataLossRoutes(
  app: FastifyInstance,
  { dataLoss }: Coordinator,
  context: RequestContext,
): void {
  app.get<ShardParams>(PATH, (request, reply) => {
    const waiting = context.waiting(reply, parseRequestQuery(request.query).timeoutMs, "write");
    return dataLoss.describe(request.params.c, request.params.shard, waiting);
  });

  app.post<ShardParams>(PATH, (request, reply) => {
    const waiting = context.waiting(reply, parseRequestQuery(request.query).timeoutMs, "write");
    const wish = parseAcceptDataLoss(jsonBodyOf(request));
    return dataLoss.accept(request.params.c, request.params.shard, wish, waiting);
  });
}
