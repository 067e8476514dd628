/** The control plane's end of a control stream, for tests. */
import { Client, credentials, type ClientDuplexStream } from "@grpc/grpc-js";
import { ControlFrame } from "@prism/proto/gen/node";
import { CONTROL_STREAM_PATH, DIAL_OPTIONS } from "@prism/proto/node-service";
import { vi } from "vitest";
import type { ControlBody } from "../adapters/grpc/control-stream.js";

/** Keeps all it receives. */
export class ControlPlaneEnd {
  readonly frames: ControlFrame[] = [];
  readonly #stream: ClientDuplexStream<Buffer, Buffer>;
  readonly #client: Client;
  closedBecause: string | undefined;

  constructor(address: string) {
    const client = new Client(address, credentials.createInsecure(), DIAL_OPTIONS);
    const same = (bytes: Buffer): Buffer => bytes;
    this.#stream = client.makeBidiStreamRequest(CONTROL_STREAM_PATH, same, same);
    this.#stream.on("data", (bytes: Buffer) => this.frames.push(ControlFrame.decode(bytes)));
    this.#stream.on("error", (error: Error) => (this.closedBecause ??= error.message));
    this.#stream.on("end", () => (this.closedBecause ??= "ended"));
    this.#client = client;
  }

  send(body: ControlBody, id = 0): void {
    this.#stream.write(Buffer.from(ControlFrame.encode({ id, ...body })));
  }

  hello(leaderEpoch: number, clusterId = "cluster-1"): void {
    this.send({ hello: { clusterId, clusterName: "test", leaderEpoch } });
  }

  hangUp(): void {
    this.#stream.cancel();
    this.#client.close();
  }

  async frame<K extends keyof ControlBody>(kind: K, count = 1): Promise<NonNullable<ControlBody[K]>> {
    return await vi.waitFor(
      () => {
        const found = this.frames.filter((frame) => frame[kind] !== undefined);
        if (found.length < count) throw new Error(`${found.length} frames ${kind}`);
        return found[count - 1]?.[kind] as NonNullable<ControlBody[K]>;
      },
      { timeout: 10_000, interval: 5 },
    );
  }
}
