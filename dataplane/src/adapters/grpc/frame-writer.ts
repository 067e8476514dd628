/**
 * The writing side of a stream of frames: respects the stream's back-pressure and holds a bounded
 * number of bytes meanwhile. A frame it does not take was not sent in part either.
 */

/** What is used of a gRPC duplex stream; messages are bytes. */
export interface FrameDuplex {
  write(bytes: Buffer): boolean;
  on(event: "data", listener: (bytes: Buffer) => void): unknown;
  on(event: "drain" | "end" | "close" | "cancelled", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
}

export class FrameWriter {
  readonly #stream: FrameDuplex;
  readonly #maxQueuedBytes: number;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #blocked = false;
  #closed = false;

  constructor(stream: FrameDuplex, maxQueuedBytes: number) {
    this.#stream = stream;
    this.#maxQueuedBytes = maxQueuedBytes;
    stream.on("drain", () => {
      this.#blocked = false;
      this.#flush();
    });
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** False when the queue is full or the stream is closed. One frame is always taken by an empty queue. */
  write(frame: Uint8Array): boolean {
    if (this.#closed) return false;
    if (this.#queue.length > 0 && this.#queuedBytes + frame.byteLength > this.#maxQueuedBytes) return false;
    this.#queue.push(Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength));
    this.#queuedBytes += frame.byteLength;
    this.#flush();
    return true;
  }

  /** The stream is gone: what was queued is dropped. */
  close(): void {
    this.#closed = true;
    this.#queue = [];
    this.#queuedBytes = 0;
  }

  #flush(): void {
    let sent = 0;
    while (!this.#blocked && !this.#closed) {
      const frame = this.#queue[sent];
      if (frame === undefined) break;
      sent += 1;
      this.#queuedBytes -= frame.byteLength;
      this.#blocked = !this.#stream.write(frame);
    }
    if (sent > 0) this.#queue.splice(0, sent);
  }
}
