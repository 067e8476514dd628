/** What the control endpoint uses of a gRPC stream, on a simulated connection. */
import type { FrameDuplex as Duplex } from "@prism/dataplane/adapters/grpc/frame-writer";

export class FrameDuplex implements Duplex {
  readonly #send: (bytes: Buffer) => void;
  readonly #close: () => void;
  readonly #onData: ((bytes: Buffer) => void)[] = [];
  readonly #onClose: (() => void)[] = [];

  constructor(send: (bytes: Buffer) => void, close: () => void) {
    this.#send = send;
    this.#close = close;
  }

  write(bytes: Buffer): boolean {
    this.#send(bytes);
    return true;
  }

  on(
    event: "data" | "drain" | "end" | "close" | "cancelled" | "error",
    listener: ((bytes: Buffer) => void) | ((error: Error) => void) | (() => void),
  ): this {
    if (event === "data") this.#onData.push(listener as (bytes: Buffer) => void);
    if (event === "close") this.#onClose.push(listener as () => void);
    return this;
  }

  /** The endpoint ends a call by emitting an error on it. */
  emit(): boolean {
    this.#close();
    return true;
  }

  end(): void {
    this.#close();
  }

  receive(bytes: Buffer): void {
    for (const listener of this.#onData) listener(bytes);
  }

  closed(): void {
    for (const listener of this.#onClose) listener();
  }
}
