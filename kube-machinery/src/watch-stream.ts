/** The body of a watch: one JSON object per line, in chunks that end anywhere. */
import { apiErrorOfStatus, ApiError, type StatusBody } from "./api-error.js";
import type { WatchEvent } from "./api-client.js";
import type { KubeObject, Stored } from "./kube-object.js";

interface WireEvent {
  readonly type: string;
  readonly object: unknown;
}

/** Throws ApiError for an ERROR event, and for a line that is no event. An unfinished last line is dropped. */
export async function* watchEvents<T extends KubeObject>(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<WatchEvent<T>> {
  for await (const line of lines(chunks)) {
    const event = parseEvent(line);
    switch (event.type) {
      case "ADDED":
      case "MODIFIED":
      case "DELETED":
        yield { type: event.type, object: event.object as Stored<T> };
        break;
      case "BOOKMARK":
        yield { type: "BOOKMARK", resourceVersion: (event.object as Stored).metadata.resourceVersion };
        break;
      case "ERROR":
        throw apiErrorOfStatus(event.object as StatusBody);
      default:
        throw malformed(line);
    }
  }
}

const NEWLINE = 10;

async function* lines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  // Pieces of the unfinished line: joining them once per line keeps a large object linear.
  let pieces: Uint8Array[] = [];
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      pieces.push(chunk.subarray(start, end));
      const line = Buffer.concat(pieces).toString();
      pieces = [];
      start = end + 1;
      if (line !== "") yield line;
    }
    if (start < chunk.length) pieces.push(chunk.subarray(start));
  }
}

function parseEvent(line: string): WireEvent {
  try {
    const event = JSON.parse(line) as WireEvent | null;
    if (typeof event?.type === "string" && typeof event.object === "object" && event.object !== null)
      return event;
  } catch {
    // Said below, with what came.
  }
  throw malformed(line);
}

function malformed(line: string): ApiError {
  return new ApiError({
    status: 0,
    reason: "Unreachable",
    message: `the watch brought no event but ${line.slice(0, 200)}`,
  });
}
