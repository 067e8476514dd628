import { EventEmitter } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { PeerFrame, PeerFrames } from "@prism/proto/gen/node";
import { describe, expect, test } from "vitest";
import { FramePacker, FrameWriter } from "./frame-writer.js";

/** A stream that takes `credit` more writes before it asks to wait. */
class SlowStream extends EventEmitter {
  readonly written: number[] = [];
  credit: number;

  constructor(credit: number) {
    super();
    this.credit = credit;
  }

  write(bytes: Buffer): boolean {
    this.written.push(bytes[0] ?? -1);
    this.credit -= 1;
    return this.credit > 0;
  }

  drain(credit: number): void {
    this.credit = credit;
    this.emit("drain");
  }
}

const frame = (first: number, bytes = 10): Uint8Array => new Uint8Array(bytes).fill(first);

describe("a frame writer", () => {
  test("waits for the stream and then goes on in order", () => {
    const stream = new SlowStream(2);
    const writer = new FrameWriter(stream, 1000);
    for (let i = 0; i < 6; i++) expect(writer.write(frame(i))).toBe(true);
    expect(stream.written).toEqual([0, 1]);
    expect(writer.queuedBytes).toBe(40);
    stream.drain(1);
    expect(stream.written).toEqual([0, 1, 2]);
    stream.drain(100);
    expect(stream.written).toEqual([0, 1, 2, 3, 4, 5]);
    expect(writer.queuedBytes).toBe(0);
  });

  test("refuses what goes beyond its bound, and takes frames again once there is room", () => {
    const stream = new SlowStream(1);
    const writer = new FrameWriter(stream, 25);
    expect(writer.write(frame(0))).toBe(true);
    expect(writer.write(frame(1))).toBe(true);
    expect(writer.write(frame(2))).toBe(true);
    expect(writer.write(frame(3))).toBe(false);
    stream.drain(100);
    expect(writer.write(frame(4))).toBe(true);
    expect(stream.written).toEqual([0, 1, 2, 4]);
  });

  test("takes a frame larger than its bound when nothing waits", () => {
    const stream = new SlowStream(1);
    const writer = new FrameWriter(stream, 25);
    expect(writer.write(frame(0))).toBe(true);
    expect(writer.write(frame(1, 100))).toBe(true);
    expect(writer.write(frame(2, 1))).toBe(false);
  });

  test("takes nothing after it was closed", () => {
    const stream = new SlowStream(1);
    const writer = new FrameWriter(stream, 100);
    writer.write(frame(0));
    writer.write(frame(1));
    writer.close();
    stream.drain(100);
    expect(writer.write(frame(2))).toBe(false);
    expect(stream.written).toEqual([0]);
  });
});

describe("a frame packer", () => {
  const framesOf = (message: Buffer): number[] => PeerFrames.decode(message).frames.map(({ id }) => id);
  const encoded = (id: number, bytes = 0): Uint8Array =>
    PeerFrame.encode({ id, kind: 3, call: 0, shard: "", timeoutMs: 0, payload: new Uint8Array(bytes) });

  test("sends the frames of one turn in one message that reads as PeerFrames, and the next turn's in another", async () => {
    const messages: Buffer[] = [];
    const packer = new FramePacker(
      Object.assign(new EventEmitter(), { write: (m: Buffer) => messages.push(m) > 0 }),
      1e6,
    );
    for (const id of [1, 2, 3]) expect(packer.write(encoded(id, id * 100))).toBe(true);
    expect(messages).toEqual([]);
    await nextTurn();
    expect(packer.write(encoded(4))).toBe(true);
    await nextTurn();
    expect(messages.map(framesOf)).toEqual([[1, 2, 3], [4]]);
    expect(packer.queuedBytes).toBe(0);
  });

  test("refuses what goes beyond its bound, keeps all it took, and takes nothing once closed", async () => {
    const messages: Buffer[] = [];
    const stream = Object.assign(new EventEmitter(), { write: (m: Buffer) => messages.push(m) < 1 });
    const packer = new FramePacker(stream, 2_000_000);
    const taken = Array.from({ length: 30 }, (_, id) => packer.write(encoded(id, 100_000)) && id).filter(
      (id) => id !== false,
    );
    // Two left with the first message, before the stream asked to wait.
    expect(taken.length).toBe(2 + 19);
    await nextTurn();
    stream.emit("drain");
    while (packer.queuedBytes > 0) stream.emit("drain");
    expect(messages.flatMap(framesOf)).toEqual(taken);
    packer.close();
    expect(packer.write(encoded(1))).toBe(false);
  });
});
