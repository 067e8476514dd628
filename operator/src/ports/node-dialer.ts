/** Opens the Control stream of a node (proto/node.proto, ControlFrame both ways). */
import type { ControlFrame } from "@prism/proto/gen/node";

export interface NodeStream {
  /** Frames are encoded by the caller, so that one map is encoded once for all nodes. */
  send(frame: Uint8Array): void;
  close(): void;
}

export interface NodeStreamHandlers {
  readonly onFrame: (frame: ControlFrame) => void;
  /** Once, whoever ended it; nothing arrives after it. */
  readonly onClosed: (detail: string) => void;
}

export interface NodeDialer {
  /** Returns at once; a node that can't be reached is told by onClosed. */
  dial(address: string, handlers: NodeStreamHandlers): NodeStream;
}
