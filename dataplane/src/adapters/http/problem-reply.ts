/** Every error leaves the node as RFC 9457 problem+json with a code of the closed list. */
import { STATUS_CODES, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { FastifyReply, FastifyRequest } from "fastify";
import { OPERATIONS } from "@prism/api/openapi-operations";
import { PROBLEM_MEDIA_TYPE, toProblemBody } from "@prism/api/problem";
import { Problem, type ProblemCode } from "@prism/api/problem-code";

const RETRY_AFTER_SECONDS = 1;
const BASE_PATH = "/api/v1";

/** What the HTTP framework itself refuses, as our problems. */
const FRAMEWORK: Readonly<Record<string, readonly [code: ProblemCode, detail: string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ["bodyTooLarge", "the body is larger than limits.bodyBytes allows"],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    "unsupportedMediaType",
    "send Content-Type: application/json (bulk: application/x-ndjson)",
  ],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ["invalidRequest", "the body's size is not its Content-Length"],
  FST_ERR_CTP_EMPTY_TYPE: ["unsupportedMediaType", "Content-Type is empty"],
  FST_ERR_BAD_URL: ["invalidRequest", "the URL's percent-encoding is not valid UTF-8"],
  FST_ERR_MAX_PARAM_LENGTH: ["limitExceeded", "a part of the path is too long"],
};

export interface ReportError {
  (message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** An error of any origin as the problem that the client sees. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
  const known = typeof code === "string" ? FRAMEWORK[code] : undefined;
  if (known !== undefined) return new Problem(known[0], known[1], { cause: error });
  if (typeof statusCode === "number" && statusCode >= 400 && statusCode < 500) {
    const detail = error instanceof Error ? error.message : "the request is not valid";
    return new Problem("invalidRequest", detail, { cause: error });
  }
  return new Problem("internalError", "an unexpected error; the node's log has it under the requestId", {
    cause: error,
  });
}

export function sendProblem(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  report: ReportError,
): void {
  const problem = toProblem(error);
  const { status } = problem.kind;
  if (status === 500) {
    report("request failed", { requestId: request.id, url: request.url, err: problem.cause ?? problem });
  }
  if (status === 429 || status === 503) void reply.header("retry-after", RETRY_AFTER_SECONDS);
  // Bytes, not text: to the media type of a text the framework adds a charset that JSON does not have.
  const body = Buffer.from(JSON.stringify(toProblemBody(problem, request.id)));
  void reply.code(status).type(PROBLEM_MEDIA_TYPE).send(body);
}

const PATHS = [...new Set(OPERATIONS.map((operation) => operation.path))].map((path) => ({
  pattern: new RegExp(`^${BASE_PATH}${path.replaceAll(/\{\w+\}/g, "[^/]+")}$`),
  methods: OPERATIONS.filter((operation) => operation.path === path)
    .map((operation) => operation.method.toUpperCase())
    .flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method])),
}));

/** 405 with Allow for a path that takes other methods, 404 for the rest. */
export function refuseRoute(request: FastifyRequest, reply: FastifyReply, report: ReportError): void {
  const path = request.url.split("?", 1)[0] ?? "";
  const known = PATHS.find(({ pattern }) => pattern.test(path));
  if (known === undefined) {
    const detail = `there is no path ${JSON.stringify(path.slice(0, 200))}`;
    sendProblem(new Problem("notFound", detail), request, reply, report);
    return;
  }
  void reply.header("allow", known.methods.join(", "));
  const detail = `${request.method} is not for this path; ${known.methods.join(", ")} are`;
  sendProblem(new Problem("methodNotAllowed", detail), request, reply, report);
}

/** For an Expect header other than 100-continue, which never reaches the routes. */
export function refuseExpectation(response: ServerResponse, requestId: string): void {
  const problem = new Problem("invalidRequest", "Expect takes 100-continue alone");
  const headers = { "content-type": PROBLEM_MEDIA_TYPE, "x-request-id": requestId, connection: "close" };
  response.writeHead(problem.kind.status, headers).end(JSON.stringify(toProblemBody(problem, requestId)));
}

/** For bytes that are no HTTP request, where there is no request to reply to. */
export function refuseSocket(error: NodeJS.ErrnoException, socket: Socket, requestId: string): void {
  // Bytes in the middle of an answer that has begun would make another answer of it.
  const { _httpMessage: answering } = socket as { _httpMessage?: { readonly headersSent: boolean } | null };
  if (error.code === "ECONNRESET" || !socket.writable || answering?.headersSent === true) {
    socket.destroy();
    return;
  }
  const problem =
    error.code === "HPE_HEADER_OVERFLOW"
      ? new Problem("limitExceeded", "the request's headers are too large")
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? new Problem("invalidRequest", "the request did not arrive in time")
        : new Problem("invalidRequest", "this is no HTTP/1.1 request");
  const body = JSON.stringify(toProblemBody(problem, requestId));
  const { status } = problem.kind;
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: ${PROBLEM_MEDIA_TYPE}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nx-request-id: ${requestId}\r\nconnection: close\r\n\r\n${body}`,
  );
}
