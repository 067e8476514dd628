/** The public HTTP API of a node, under /api/v1, and its description at /openapi.json. */
import fastify, { type FastifyInstance } from "fastify";
import type { Limits } from "@prism/api/limits";
import { buildOpenApi } from "@prism/api/openapi";
import { LONGEST_SESSION } from "@prism/api/session";
import type { Coordinator } from "../../services/coordinator.js";
import { newId } from "../../services/id-source.js";
import { addCollectionRoutes } from "./collection-routes.js";
import { addDataLossRoutes } from "./data-loss-routes.js";
import { addBulkRoute, addDocumentReadRoutes, addDocumentWriteRoutes } from "./document-routes.js";
import {
  refuseExpectation,
  refuseRoute,
  refuseSocket,
  sendProblem,
  type ReportError,
} from "./problem-reply.js";
import { addBodyParsers, refuseEncoding } from "./request-body.js";
import { showProgress } from "./progress.js";
import { RequestContext } from "./request-context.js";
import { requestIdOf } from "./request-header.js";
import { addSearchRoutes } from "./search-routes.js";
import { addVerifyRoute } from "./verify-routes.js";

export interface HttpServerDeps {
  readonly coordinator: Coordinator;
  readonly limits: Limits;
  /** Of the product, shown by /openapi.json. */
  readonly version: string;
  /** Unexpected errors, with the requestId. */
  readonly report: ReportError;
  /** Told of each answer: `route` is the path with its parameters' names. */
  readonly observe?: (method: string, route: string, status: number, seconds: number) => void;
}

export interface HttpServer {
  /** host:port as bound. */
  readonly address: string;
  /** Takes no new requests, waits for those that run, at most timeoutMs. */
  close(timeoutMs: number): Promise<void>;
}

/** Of the request line and all headers: a GET carries its session, as long as that may be, in its query. */
const MAX_HEADER_BYTES = LONGEST_SESSION + 16 * 1024;
/** 512 bytes of UTF-8, each of which may come percent-encoded. */
const MAX_PARAMETER_LENGTH = 4096;
const KEEP_ALIVE_MS = 72_000;
/** For the headers and the body of one request to arrive. */
const REQUEST_TIMEOUT_MS = 300_000;

/** The server without a port; tests inject requests into it. */
export function buildHttpServer(deps: HttpServerDeps): FastifyInstance {
  const { coordinator, limits, report } = deps;
  const app = fastify({
    logger: false,
    bodyLimit: limits.bodyBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // Node would refuse a request without Host by itself, with an empty body.
    http: { maxHeaderSize: MAX_HEADER_BYTES, requireHostHeader: false },
    forceCloseConnections: "idle",
    // What still comes over open connections is answered like the rest: fastify's own 503 is no problem+json.
    return503OnClosing: false,
    requestIdHeader: false,
    genReqId: (raw) => requestIdOf(raw.headers) ?? newId(),
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    frameworkErrors: (error, request, reply) => {
      void reply.header("x-request-id", request.id);
      sendProblem(error, request, reply, report);
    },
    clientErrorHandler: (error, socket) => refuseSocket(error, socket, newId()),
  });
  addBodyParsers(app);
  app.server.on("checkExpectation", (raw, response) => {
    refuseExpectation(response, requestIdOf(raw.headers) ?? newId());
  });
  app.addHook("onRequest", (request, reply, done) => {
    void reply.header("x-request-id", request.id);
    done(refuseEncoding(request) ?? showProgress(request, reply));
  });
  app.addHook("onResponse", (request, reply, done) => {
    const route = request.routeOptions.url ?? "unknown";
    deps.observe?.(request.method, route, reply.statusCode, reply.elapsedTime / 1000);
    done();
  });
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply, report));
  app.setNotFoundHandler((request, reply) => refuseRoute(request, reply, report));
  const context = new RequestContext(coordinator, limits);
  void app.register(
    (api, _options, done) => {
      addCollectionRoutes(api, coordinator, context);
      addDocumentWriteRoutes(api, coordinator, context);
      addDocumentReadRoutes(api, coordinator, context);
      addBulkRoute(api, coordinator, context);
      addSearchRoutes(api, coordinator, context, limits);
      addDataLossRoutes(api, coordinator, context);
      addVerifyRoute(api, coordinator, limits);
      done();
    },
    { prefix: "/api/v1" },
  );
  let openApi: string | undefined;
  app.get("/openapi.json", (_request, reply) => {
    // Made when it is first asked for: it takes longer than the rest of the start.
    openApi ??= JSON.stringify(buildOpenApi(deps.version));
    return reply.type("application/json; charset=utf-8").send(openApi);
  });
  return app;
}

/** Rejects with the operating system's error when the port can't be bound. */
export async function startHttpServer(
  deps: HttpServerDeps,
  at: { readonly host: string; readonly port: number },
): Promise<HttpServer> {
  const app = buildHttpServer(deps);
  await app.listen({ host: at.host, port: at.port });
  const bound = app.server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : at.port;
  return {
    address: `${at.host.includes(":") ? `[${at.host}]` : at.host}:${port}`,
    close: async (timeoutMs) => {
      const cut = setTimeout(() => app.server.closeAllConnections(), timeoutMs);
      try {
        await app.close();
      } finally {
        clearTimeout(cut);
      }
    },
  };
}
