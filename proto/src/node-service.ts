/**
 * The two bidirectional streams of a node's internal port, and what both ends must agree on.
 * Messages are encoded by the codecs of gen/node.ts; gRPC itself sees bytes only.
 */

/** PeerFrame both ways, opened by a node towards each other node. */
export const PEER_STREAM_PATH = "/prism.node.v1.Node/Peer";

/** ControlFrame both ways, opened by the control plane towards each node. */
export const CONTROL_STREAM_PATH = "/prism.node.v1.Node/Control";

const MiB = 1024 * 1024;

/** Largest frame: the longest document line that a limit allows (64 MiB), and room around it. */
export const MAX_FRAME_BYTES = 96 * MiB;

/**
 * gRPC channel options of both ends.
 * Without the flow control window a snapshot moves at a fifth of the speed; as an option it is that of the end
 * that dials, and the node's server sets its own. The keepalive notices a peer that vanished without closing its
 * connection; a process that ends is noticed at once.
 */
export const STREAM_OPTIONS = {
  "grpc.max_receive_message_length": MAX_FRAME_BYTES + MiB,
  "grpc.max_send_message_length": MAX_FRAME_BYTES + MiB,
  "grpc-node.flow_control_window": 4 * MiB,
  "grpc.keepalive_time_ms": 2000,
  "grpc.keepalive_timeout_ms": 3000,
  "grpc.keepalive_permit_without_calls": 1,
} as const;

/** Further options of the end that dials: it alone decides when to try again. */
export const DIAL_OPTIONS = {
  ...STREAM_OPTIONS,
  "grpc.enable_retries": 0,
  "grpc.enable_http_proxy": 0,
  "grpc.use_local_subchannel_pool": 1,
  "grpc.service_config_disable_resolution": 1,
} as const;
