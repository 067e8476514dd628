/** Builds the frames of a peer stream. */
import { PeerFrameKind, type ShardCall } from "@prism/proto/frame-kind";
import { PeerFrame, PeerHello } from "@prism/proto/gen/node";
import { MAX_FRAME_BYTES } from "@prism/proto/node-service";
import { toCallError } from "../../services/call-error.js";

const EMPTY = new Uint8Array(0);
/** Room for the frame's own fields around a payload. */
const FRAME_OVERHEAD_BYTES = 4096;

export const MAX_PAYLOAD_BYTES = MAX_FRAME_BYTES - FRAME_OVERHEAD_BYTES;

/** Who is at one end of a peer stream. */
export interface PeerIdentity {
  readonly clusterId: string;
  readonly nodeId: string;
  /** New at every start of the process. */
  readonly bootId: string;
}

function encodeFrame(kind: PeerFrameKind, fields: Partial<PeerFrame>): Uint8Array {
  const bare = { id: 0, kind, call: 0, shard: "", timeoutMs: 0, payload: EMPTY };
  return PeerFrame.encode({ ...bare, ...fields });
}

export function encodeHello(identity: PeerIdentity): Uint8Array {
  const payload = PeerHello.encode({ ...identity });
  return encodeFrame(PeerFrameKind.hello, { payload });
}

export function encodeRequest(
  id: number,
  call: ShardCall,
  shard: string,
  timeoutMs: number,
  payload: Uint8Array,
): Uint8Array {
  return encodeFrame(PeerFrameKind.request, { id, call, shard, timeoutMs, payload });
}

export function encodeResponse(id: number, payload: Uint8Array): Uint8Array {
  return encodeFrame(PeerFrameKind.response, { id, payload });
}

export function encodeFailure(id: number, error: unknown): Uint8Array {
  return encodeFrame(PeerFrameKind.response, { id, error: toCallError(error) });
}

export function encodeCancel(id: number): Uint8Array {
  return encodeFrame(PeerFrameKind.cancel, { id });
}

export function encodeOneWay(call: ShardCall, shard: string, payload: Uint8Array): Uint8Array {
  return encodeFrame(PeerFrameKind.oneWay, { call, shard, payload });
}
