/** Collections, where their shards are, and the cluster's status. */
import type { FastifyInstance } from "fastify";
import { parseRequestQuery } from "@prism/api/request-query";
import type { Coordinator } from "../../services/coordinator.js";
import { jsonBodyOf, refuseQuery } from "./request-body.js";
import type { RequestContext } from "./request-context.js";

interface CollectionParams {
  Params: { c: string };
}

export function addCollectionRoutes(
  app: FastifyInstance,
  { collections, status }: Coordinator,
  context: RequestContext,
): void {
  app.get("/collections", (request) => {
    refuseQuery(request);
    return { collections: collections.list() };
  });

  app.get<CollectionParams>("/collections/:c", (request) => {
    refuseQuery(request);
    return collections.get(request.params.c);
  });

  app.put<CollectionParams>("/collections/:c", async (request, reply) => {
    const waiting = context.waiting(reply, parseRequestQuery(request.query).timeoutMs, "write");
    const { created, spec } = await collections.put(request.params.c, jsonBodyOf(request), waiting);
    return reply.code(created ? 201 : 200).send(spec);
  });

  app.patch<CollectionParams>("/collections/:c", (request, reply) => {
    const waiting = context.waiting(reply, parseRequestQuery(request.query).timeoutMs, "write");
    return collections.patch(request.params.c, jsonBodyOf(request), waiting);
  });

  app.delete<CollectionParams>("/collections/:c", async (request, reply) => {
    const waiting = context.waiting(reply, parseRequestQuery(request.query).timeoutMs, "write");
    await collections.delete(request.params.c, waiting);
    return { name: request.params.c, result: "deleted" };
  });

  app.get<CollectionParams>("/collections/:c/routing", (request) => {
    refuseQuery(request);
    return collections.routing(request.params.c);
  });

  app.get("/status", (request) => {
    refuseQuery(request);
    return status.status();
  });
}
