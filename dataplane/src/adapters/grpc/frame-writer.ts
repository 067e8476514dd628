/**
 * The writing side of a stream of frames: respects the stream's back-pressure and holds a bounded
 * number of bytes meanwhile. A frame it does not take was not sent in part either.
 *
 * `FramePacker` puts the frames of one turn of the event loop into one message: a message costs gRPC and
 * the other side's event loop about as much as a frame of some kilobytes does.
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

  get isOpen(): boolean {
    return !this.#closed;
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

/** Of frames in one message; a larger frame goes alone. */
const PACK_BYTES = 256 * 1024;
/** Field 1, length-delimited: what PeerFrames puts before each of its frames. */
const FRAME_TAG = 0x0a;

export class FramePacker {
  readonly #writer: FrameWriter;
  readonly #maxQueuedBytes: number;
  #frames: Uint8Array[] = [];
  #bytes = 0;

  constructor(stream: FrameDuplex, maxQueuedBytes: number) {
    // The bound is held here: packed messages are a little larger, and one that was taken must not be lost.
    this.#writer = new FrameWriter(stream, 2 * maxQueuedBytes);
    this.#maxQueuedBytes = maxQueuedBytes;
  }

  get queuedBytes(): number {
    return this.#bytes + this.#writer.queuedBytes;
  }

  /** False when the queue is full or the stream is closed. */
  write(frame: Uint8Array): boolean {
    const queued = this.queuedBytes;
    if (!this.#writer.isOpen || (queued > 0 && queued + frame.byteLength > this.#maxQueuedBytes))
      return false;
    if (this.#frames.length > 0 && this.#bytes + frame.byteLength > PACK_BYTES) this.#flush();
    if (this.#frames.push(frame) === 1) setImmediate(() => this.#flush());
    this.#bytes += frame.byteLength;
    return true;
  }

  close(): void {
    this.#frames = [];
    this.#bytes = 0;
    this.#writer.close();
  }

  #flush(): void {
    const frames = this.#frames;
    if (frames.length === 0) return;
    const message = pack(frames, this.#bytes);
    this.#frames = [];
    this.#bytes = 0;
    this.#writer.write(message);
  }
}

/** As PeerFrames.encode of what the frames are, which are encoded already. */
function pack(frames: readonly Uint8Array[], bytes: number): Uint8Array {
  const message = Buffer.allocUnsafe(bytes + 6 * frames.length);
  let at = 0;
  for (const frame of frames) {
    message[at++] = FRAME_TAG;
    let length = frame.byteLength;
    for (; length >= 0x80; length >>>= 7) message[at++] = (length & 0x7f) | 0x80;
    message[at++] = length;
    message.set(frame, at);
    at += frame.byteLength;
  }
  return message.subarray(0, at);
}
