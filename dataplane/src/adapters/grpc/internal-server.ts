/** The node's internal gRPC server: peer streams and control streams on one port. */
import { Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import { CONTROL_STREAM_PATH, PEER_STREAM_PATH, STREAM_OPTIONS } from "@prism/proto/node-service";

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

/** Rejects when the address can't be bound. */
export async function startInternalServer(
  address: { readonly host: string; readonly port: number },
  handlers: { readonly peer: Accept; readonly control: Accept },
): Promise<InternalServer> {
  const server = new Server({ ...STREAM_OPTIONS });
  server.addService(
    { Peer: rawStream(PEER_STREAM_PATH), Control: rawStream(CONTROL_STREAM_PATH) },
    { Peer: handlers.peer, Control: handlers.control },
  );
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${host}:${address.port}`, ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return { port, close: () => server.forceShutdown() };
}
