import { connect } from "node:http2";
import { PLAIN } from "@prism/proto/internal-credentials";
import { STREAM_OPTIONS } from "@prism/proto/node-service";
import { expect, test, vi } from "vitest";
import { startInternalServer } from "./internal-server.js";

const WINDOW_BYTES = STREAM_OPTIONS["grpc-node.flow_control_window"];

test("lets the end that dials send a whole window on a stream and on the connection, in large frames", async () => {
  const handlers = { peer: () => undefined, control: () => undefined, onRefused: () => undefined };
  const server = await startInternalServer({ host: "127.0.0.1", port: 0 }, handlers, PLAIN);
  const session = connect(`http://127.0.0.1:${server.port}`);
  try {
    const expected = { initialWindowSize: WINDOW_BYTES, maxFrameSize: 64 * 1024 };
    await vi.waitFor(() => expect(session.remoteSettings).toMatchObject(expected), 5000);
    await vi.waitFor(() => expect(session.state.remoteWindowSize).toBe(WINDOW_BYTES), 5000);
  } finally {
    session.destroy();
    server.close();
  }
});
