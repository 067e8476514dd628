/** One stream that a control plane opened: checks its hello, then hands its frames on. */
import { status, type ServerDuplexStream } from "@grpc/grpc-js";
import { decodeFrame } from "@prism/proto/deflated-frame";
import { ControlFrame, type ControlHello } from "@prism/proto/gen/node";
import { FrameWriter } from "./frame-writer.js";

const HELLO_TIMEOUT_MS = 5000;
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;

/** A frame without its id. */
export type ControlBody = Omit<ControlFrame, "id">;

export interface ControlStreamEvents {
  /** Returns why the control plane is refused, or undefined. */
  readonly onHello: (stream: ControlStream, hello: ControlHello) => string | undefined;
  readonly onFrame: (stream: ControlStream, frame: ControlFrame) => void;
  readonly onClosed: (stream: ControlStream) => void;
}

export class ControlStream {
  readonly #stream: ServerDuplexStream<Buffer, Buffer>;
  readonly #events: ControlStreamEvents;
  readonly #writer: FrameWriter;
  readonly #helloTimer: NodeJS.Timeout;
  #closed = false;
  hello: ControlHello | undefined;

  constructor(stream: ServerDuplexStream<Buffer, Buffer>, events: ControlStreamEvents) {
    this.#stream = stream;
    this.#events = events;
    this.#writer = new FrameWriter(stream, MAX_QUEUED_BYTES);
    this.#helloTimer = setTimeout(
      () => this.close(status.DEADLINE_EXCEEDED, "no hello in time"),
      HELLO_TIMEOUT_MS,
    );
    stream.on("data", (bytes: Buffer) => this.#onBytes(bytes));
    stream.on("error", () => this.#forget());
    stream.on("cancelled", () => this.#forget());
    stream.on("close", () => this.#forget());
    stream.on("end", () => {
      this.#forget();
      stream.end();
    });
  }

  send(body: ControlBody, id = 0): boolean {
    return this.#writer.write(ControlFrame.encode({ id, ...body }));
  }

  close(code: status, detail: string): void {
    if (this.#closed) return;
    this.#forget();
    this.#stream.emit("error", { code, details: detail });
  }

  #forget(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#helloTimer);
    this.#writer.close();
    this.#events.onClosed(this);
  }

  #onBytes(bytes: Buffer): void {
    if (this.#closed) return;
    let frame: ControlFrame;
    try {
      frame = decodeFrame(bytes);
    } catch {
      this.close(status.INVALID_ARGUMENT, "a frame does not parse");
      return;
    }
    if (this.hello !== undefined) {
      this.#events.onFrame(this, frame);
      return;
    }
    if (frame.hello === undefined) {
      this.close(status.FAILED_PRECONDITION, "the first frame must be a hello");
      return;
    }
    const refusal = this.#events.onHello(this, frame.hello);
    if (refusal !== undefined) {
      this.close(status.FAILED_PRECONDITION, refusal);
      return;
    }
    clearTimeout(this.#helloTimer);
    this.hello = frame.hello;
  }
}
