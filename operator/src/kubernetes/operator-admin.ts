/** The operator's own port in Kubernetes: probes, metrics, and what each cluster is like. */
import Fastify, { type FastifyInstance } from "fastify";
import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { ControlPlane } from "../control/control-plane.js";
import { mergedMetrics } from "./merged-metrics.js";

export interface OperatorAdminOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** All that is watched has been read once. A process that does not lead is ready too: to take over. */
  readonly isReady: () => boolean;
  readonly isLeading: () => boolean;
  /** By `namespace/name`. */
  readonly planes: () => ReadonlyMap<string, ControlPlane>;
}

export async function startOperatorAdmin(options: OperatorAdminOptions): Promise<FastifyInstance> {
  const { host, port, isReady, isLeading, planes } = options;
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const leading: Gauge = new Gauge({
    name: "prism_operator_leading",
    help: "1 while this process holds the lease.",
    registers: [registry],
    collect: (): void => leading.set(isLeading() ? 1 : 0),
  });
  const server = Fastify({ logger: false, forceCloseConnections: true });
  server.get("/livez", async () => "ok\n");
  server.get("/readyz", async (_request, reply) => {
    const ready = isReady();
    return reply.code(ready ? 200 : 503).send(ready ? "ok\n" : "the API server has not been read yet\n");
  });
  server.get("/metrics", async (_request, reply) => {
    const ofClusters = [...planes()].map(([key, { metrics }]) => {
      const [namespace = "", cluster = ""] = key.split("/");
      metrics.registry.setDefaultLabels({ namespace, cluster });
      return metrics.registry;
    });
    return reply.type(registry.contentType).send(await mergedMetrics([registry, ...ofClusters]));
  });
  server.get("/clusters", async () => ({ leading: isLeading(), clusters: [...planes().keys()] }));
  server.get<{ Params: { namespace: string; name: string } }>(
    "/clusters/:namespace/:name",
    async (request, reply) => {
      const plane = planes().get(`${request.params.namespace}/${request.params.name}`);
      if (!plane) return reply.code(404).send({ detail: "this process leads no such cluster" });
      const [status, conditions, events] = [plane.status(), plane.conditions(), plane.events.latest()];
      return { status, conditions, events };
    },
  );
  await server.listen({ host, port });
  return server;
}
