/** The node's internal gRPC server: peer streams and control streams on one port. */
import type { Http2SecureServer, Http2Server, ServerHttp2Session, Settings } from "node:http2";
import { Server, status, type ServerDuplexStream } from "@grpc/grpc-js";
import type { InternalCredentials } from "@prism/proto/internal-credentials";
import { CONTROL_STREAM_PATH, PEER_STREAM_PATH, STREAM_OPTIONS } from "@prism/proto/node-service";
import type { TlsRole } from "@prism/proto/tls-identity";

const WINDOW_BYTES = STREAM_OPTIONS["grpc-node.flow_control_window"];
/** No more than this is read from a socket at once. */
const HTTP2_FRAME_BYTES = 64 * 1024;

type Accept = (stream: ServerDuplexStream<Buffer, Buffer>) => void;

const rawStream = (path: string) => ({
  path,
  requestStream: true,
  responseStream: true,
  requestSerialize: (bytes: Buffer) => bytes,
  requestDeserialize: (bytes: Buffer) => bytes,
  responseSerialize: (bytes: Buffer) => bytes,
  responseDeserialize: (bytes: Buffer) => bytes,
});

export interface InternalServer {
  /** The port bound, when 0 was asked for. */
  readonly port: number;
  /** Closes the port and every stream. */
  close(): void;
}

export interface InternalHandlers {
  readonly peer: Accept;
  readonly control: Accept;
  /** A client with a certificate of this authority asked for a stream that its role may not open. */
  readonly onRefused: (detail: string) => void;
}

/** Rejects when the address can't be bound. */
export async function startInternalServer(
  address: { readonly host: string; readonly port: number },
  handlers: InternalHandlers,
  credentials: InternalCredentials,
): Promise<InternalServer> {
  const server = new Server({ ...STREAM_OPTIONS });
  widenStreams(server);
  /** Peer streams are for nodes, control streams for the control plane: a node's key does not lead a cluster. */
  const only = (role: TlsRole, accept: Accept): Accept => {
    return (stream) => {
      const refusal = credentials.refusal(stream, role);
      if (refusal === undefined) {
        accept(stream);
        return;
      }
      handlers.onRefused(refusal);
      stream.emit("error", { code: status.PERMISSION_DENIED, details: refusal });
    };
  };
  server.addService(
    { Peer: rawStream(PEER_STREAM_PATH), Control: rawStream(CONTROL_STREAM_PATH) },
    { Peer: only("node", handlers.peer), Control: only("operator", handlers.control) },
  );
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${host}:${address.port}`, credentials.server, (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  widenConnections(server);
  return { port, close: () => server.forceShutdown() };
}

/** The parts of gRPC's server for which it has no option: its window option is that of the end that dials. */
interface ServerInternals {
  readonly commonServerOptions: { settings?: Settings };
  readonly http2Servers: ReadonlyMap<Http2Server | Http2SecureServer, unknown>;
}

/**
 * Entries and requests flow to the end that was dialled. By HTTP/2's defaults, a window of 64 KiB and frames of
 * 16 KiB, a message of 100 KiB waits for that end once and comes in seven pieces, each an event of its own.
 */
function widenStreams(server: Server): void {
  const { commonServerOptions } = server as unknown as ServerInternals;
  commonServerOptions.settings = { initialWindowSize: WINDOW_BYTES, maxFrameSize: HTTP2_FRAME_BYTES };
}

function widenConnections(server: Server): void {
  for (const http2Server of (server as unknown as ServerInternals).http2Servers.keys()) {
    http2Server.on("session", (session: ServerHttp2Session) => session.setLocalWindowSize(WINDOW_BYTES));
  }
}
