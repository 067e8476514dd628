import type { ClientDuplexStream } from "@grpc/grpc-js";
import type { InternalCredentials } from "@prism/proto/internal-credentials";
import { ControlFrame } from "@prism/proto/gen/node";
import { CONTROL_STREAM_PATH } from "@prism/proto/node-service";
import type { NodeDialer, NodeStream, NodeStreamHandlers } from "../../ports/node-dialer.js";

/** Dials nodes by gRPC: a channel for each stream, so that a broken one leaves no state behind. */
export class GrpcNodeDialer implements NodeDialer {
  readonly #credentials: InternalCredentials;

  constructor(credentials: InternalCredentials) {
    this.#credentials = credentials;
  }

  dial(address: string, handlers: NodeStreamHandlers): NodeStream {
    const client = this.#credentials.client(address);
    const stream: ClientDuplexStream<Buffer, Buffer> = client.makeBidiStreamRequest(
      CONTROL_STREAM_PATH,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
    );
    let open = true;
    const end = (detail: string): void => {
      if (!open) return;
      open = false;
      stream.cancel();
      client.close();
      handlers.onClosed(detail);
    };
    stream.on("data", (bytes: Buffer) => {
      if (!open) return;
      let frame: ControlFrame;
      try {
        frame = ControlFrame.decode(bytes);
      } catch (error) {
        end(`undecodable frame: ${String(error)}`);
        return;
      }
      handlers.onFrame(frame);
    });
    stream.on("error", (error) => end(error.message));
    stream.on("end", () => end("the node ended the stream"));
    return {
      send: (frame) => {
        // A view, not a copy: gRPC wants a Buffer.
        if (open) stream.write(Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength));
      },
      close: () => end("closed here"),
    };
  }
}
