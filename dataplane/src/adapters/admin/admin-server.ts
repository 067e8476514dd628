/** Probes, metrics and a look inside, on a port that is not for clients. */
import Fastify from "fastify";
import type { Registry } from "prom-client";
import type { HostPort } from "../../config.js";

export interface AdminSources {
  /** What the start still waits for; empty when it is over. */
  readonly notStarted: () => readonly string[];
  /** Why the node takes no requests now; empty when it does. Never about other nodes. */
  readonly notReady: () => readonly string[];
  /** Why the process is of no use any more; empty when it is. */
  readonly notAlive: () => readonly string[];
  readonly debug: () => unknown;
  /** Newest protocol events of the shard with this uid, or of all, oldest first. */
  readonly protocolEvents: (shard: string | undefined) => readonly unknown[];
  readonly registry: Registry;
}

export interface AdminServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Rejects when the address can't be bound. */
export async function startAdminServer(address: HostPort, sources: AdminSources): Promise<AdminServer> {
  const server = Fastify({ logger: false, forceCloseConnections: true });
  server.get("/startupz", async (_request, reply) => {
    const reasons = sources.notStarted();
    const started = reasons.length === 0;
    return await reply.status(started ? 200 : 503).send({ started, reasons });
  });
  server.get("/livez", async (_request, reply) => {
    const reasons = sources.notAlive();
    return await reply.status(reasons.length === 0 ? 200 : 503).send({ live: reasons.length === 0, reasons });
  });
  server.get("/readyz", async (_request, reply) => {
    const reasons = sources.notReady();
    return await reply
      .status(reasons.length === 0 ? 200 : 503)
      .send({ ready: reasons.length === 0, reasons });
  });
  server.get("/metrics", async (_request, reply) => {
    const text = await sources.registry.metrics();
    return await reply.type(sources.registry.contentType).send(text);
  });
  server.get("/debug", () => sources.debug());
  server.get("/debug/protocol-events", async (request, reply) => {
    const { shard, ...unknown } = request.query as Record<string, unknown>;
    const [parameter] = Object.keys(unknown);
    if (parameter !== undefined || (shard !== undefined && typeof shard !== "string")) {
      const detail = parameter === undefined ? "shard is given twice" : `unknown parameter ${parameter}`;
      return await reply.status(400).send({ detail: `${detail}; ?shard=<uid> is known` });
    }
    return { events: sources.protocolEvents(shard) };
  });
  await server.listen({ host: address.host, port: address.port });
  const bound = server.server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : address.port;
  return { port, close: () => server.close() };
}
