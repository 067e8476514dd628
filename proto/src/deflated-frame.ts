/** A long ControlFrame that goes to many nodes is made short once: identifiers repeat a lot in it. */
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { ControlFrame } from "./gen/node.js";

/** Anything shorter goes as it is. */
const SHORT_BYTES = 8 * 1024;
const MAX_FRAME_BYTES = 256 * 1024 * 1024;
/** Time counts: the frame is made between two turns of an event loop. */
const LEVEL = constants.Z_BEST_SPEED;

/** Of an encoded frame; the same bytes when it is short. */
export function deflatedFrame(frame: Uint8Array): Uint8Array {
  if (frame.length < SHORT_BYTES) return frame;
  return ControlFrame.encode({ id: 0, deflated: { frame: deflateRawSync(frame, { level: LEVEL }) } });
}

/** @throws {Error} on bytes that are no frame, by themselves or inside. */
export function decodeFrame(bytes: Uint8Array): ControlFrame {
  const frame = ControlFrame.decode(bytes);
  if (frame.deflated === undefined) return frame;
  return ControlFrame.decode(inflateRawSync(frame.deflated.frame, { maxOutputLength: MAX_FRAME_BYTES }));
}
