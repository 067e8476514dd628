/**
 * Signs of life while an answer is owed. A client can't tell a request that takes long from a node that is frozen
 * or cut off: TCP says nothing for minutes, and behind a Service's address another connection leads to another
 * node, so that asking there proves nothing of this one. Interim answers come over the connection in question.
 *
 * 102 Processing (RFC 2518, section 10.1); clients that do not ask for it never see one. RFC 9110, section 15.2:
 * any number of interim answers may come before the final one, and proxies pass them on.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { Problem } from "@prism/api/problem-code";

const SHORTEST_MS = 20;
const LONGEST_MS = 60_000;

/** Prism-Progress of a request: the time between two signs, in ms; 0: one at once and no other. */
export function progressMsOf({ headers }: FastifyRequest): number | "none" | "wrong" {
  const given = headers["prism-progress"];
  if (given === undefined) return "none";
  const ms = typeof given === "string" && /^\d{1,5}$/.test(given) ? Number(given) : Number.NaN;
  return ms === 0 || (ms >= SHORTEST_MS && ms <= LONGEST_MS) ? ms : "wrong";
}

/** Until the head of the answer is out. Returns why the request is refused. */
export function showProgress(request: FastifyRequest, reply: FastifyReply): Problem | undefined {
  const everyMs = progressMsOf(request);
  if (everyMs === "wrong") {
    const range = `milliseconds from ${SHORTEST_MS} to ${LONGEST_MS}`;
    return new Problem("invalidRequest", `Prism-Progress must be 0, or ${range}`);
  }
  // A client of HTTP/1.0 knows no interim answers (RFC 9110, section 15.2).
  if (everyMs === "none" || request.raw.httpVersionMinor === 0) return undefined;
  const { raw } = reply;
  if (everyMs === 0) {
    raw.writeProcessing();
    return undefined;
  }
  const timer = setInterval(() => {
    if (raw.headersSent || raw.destroyed) clearInterval(timer);
    else raw.writeProcessing();
  }, everyMs);
  raw.once("close", () => clearInterval(timer));
  return undefined;
}

/** An NDJSON answer, with an empty line where it has had nothing to say for so long: its head is out already. */
export async function* withEmptyLines(
  pieces: AsyncGenerator<string>,
  everyMs: number,
): AsyncGenerator<string> {
  const EMPTY = Symbol("nothing yet");
  let next = pieces.next();
  try {
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const silence = new Promise<typeof EMPTY>((resolve) => {
        timer = setTimeout(() => resolve(EMPTY), everyMs);
      });
      const piece = await Promise.race([next, silence]).finally(() => clearTimeout(timer));
      if (piece === EMPTY) yield "\n";
      else if (piece.done === true) return;
      else {
        yield piece.value;
        next = pieces.next();
      }
    }
  } finally {
    // What was asked for last may still be on its way; it is of no use to anybody.
    next.catch(() => undefined);
    await pieces.return(undefined);
  }
}
