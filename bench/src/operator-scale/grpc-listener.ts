/**
 * The node's end of the Control stream, at its plainest: gRPC's framing on HTTP/2, one port per node. A thousand
 * servers of a whole gRPC library would be what is measured.
 */
import { createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";

const PREFIX_BYTES = 5;
const WINDOW_BYTES = 16 * 1024 * 1024;

export interface ListenerEvents {
  readonly onOpen: (send: (message: Uint8Array) => void) => void;
  readonly onMessage: (message: Buffer) => void;
}

/** Resolves to its port on 127.0.0.1. */
export async function listen(events: ListenerEvents): Promise<{ server: Http2Server; port: number }> {
  const server = createServer({ settings: { initialWindowSize: WINDOW_BYTES } });
  server.on("session", (session) => session.setLocalWindowSize(WINDOW_BYTES));
  server.on("sessionError", () => undefined);
  server.on("stream", (stream) => accept(stream, events));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", 16, resolve));
  return { server, port: (server.address() as AddressInfo).port };
}

function accept(stream: ServerHttp2Stream, { onOpen, onMessage }: ListenerEvents): void {
  stream.on("error", () => undefined);
  stream.respond({ ":status": 200, "content-type": "application/grpc+proto" });
  let parts: Buffer[] = [];
  let length = 0;
  stream.on("data", (chunk: Buffer) => {
    parts.push(chunk);
    length += chunk.length;
    while (length >= PREFIX_BYTES) {
      const first = parts[0]!.length < PREFIX_BYTES ? Buffer.concat(parts) : parts[0]!;
      const end = PREFIX_BYTES + first.readUInt32BE(1);
      if (length < end) return;
      const all = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
      onMessage(all.subarray(PREFIX_BYTES, end));
      parts = all.length > end ? [all.subarray(end)] : [];
      length = all.length - end;
    }
  });
  onOpen((message) => {
    if (stream.closed || stream.destroyed) return;
    const prefix = Buffer.alloc(PREFIX_BYTES);
    prefix.writeUInt32BE(message.length, 1);
    stream.write(Buffer.concat([prefix, message]));
  });
}
