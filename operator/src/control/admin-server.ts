/** The control plane's own port: probes, metrics, status, and what happened lately. Loopback only. */
import Fastify, { type FastifyInstance } from "fastify";
import type { ControlPlane } from "./control-plane.js";

export interface AdminServer {
  readonly url: string;
  close(): Promise<void>;
}

const HOST = "127.0.0.1";

/** `port` 0 takes any free port. Rejects when the port is taken. */
export async function startAdminServer(
  port: number,
  plane: () => ControlPlane | undefined,
): Promise<AdminServer> {
  const server = Fastify({ logger: false, forceCloseConnections: true });
  server.get("/livez", async () => "ok\n");
  server.get("/readyz", async (_request, reply) => {
    const ready = plane()?.isReady() ?? false;
    return reply.code(ready ? 200 : 503).send(ready ? "ok\n" : "not all nodes are alive and ready\n");
  });
  withPlane(server, "/status", plane, (running) => running.status());
  withPlane(server, "/debug", plane, (running) => ({
    conditions: running.conditions(),
    events: running.events.latest(),
  }));
  server.get("/metrics", async (_request, reply) => {
    const registry = plane()?.metrics.registry;
    if (!registry) return reply.code(503).send("starting\n");
    return reply.type(registry.contentType).send(await registry.metrics());
  });
  const url = await server.listen({ port, host: HOST });
  return { url, close: () => server.close() };
}

function withPlane(
  server: FastifyInstance,
  path: string,
  plane: () => ControlPlane | undefined,
  answer: (running: ControlPlane) => unknown,
): void {
  server.get(path, async (_request, reply) => {
    const running = plane();
    return running ? reply.send(answer(running)) : reply.code(503).send({ detail: "starting" });
  });
}
