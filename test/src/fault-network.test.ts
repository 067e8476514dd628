import { mkdir, writeFile } from "node:fs/promises";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CONTROL_PLANE, FaultNetwork } from "./fault-network.js";
import { makeTestDirectory } from "./test-directory.js";
import { waitUntil } from "./wait-until.js";

describe("the network of fault tests", () => {
  let directory: Awaited<ReturnType<typeof makeTestDirectory>>;
  let network: FaultNetwork;
  let server: Server;
  let received = "";
  let accepted: Socket[];

  beforeEach(async () => {
    directory = await makeTestDirectory();
    for (const name of ["a", "b"]) {
      await mkdir(join(directory.path, "nodes", name, "data"), { recursive: true });
      await writeFile(
        join(directory.path, "nodes", name, "data", "node.json"),
        JSON.stringify({ nodeId: `id-of-${name}` }),
      );
    }
    await writeFile(join(directory.path, "operator.json"), JSON.stringify({ clusterId: "id-of-cluster" }));
    [received, accepted] = ["", []];
    server = createServer((socket) => {
      accepted.push(socket);
      socket.on("data", (bytes) => (received += bytes.toString()));
      socket.on("error", () => undefined);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    network = await FaultNetwork.start(["a", "b"], directory.path);
  });
  afterEach(async () => {
    network.close();
    for (const socket of accepted) socket.destroy();
    server.close();
    await directory.remove();
  });

  async function dial(node: string, hello: string): Promise<{ socket: Socket; heard: () => string }> {
    const [host, port] = network
      .route(node, `127.0.0.1:${(server.address() as AddressInfo).port}`)
      .split(":");
    const socket = connect(Number(port), host);
    let text = "";
    socket.on("data", (bytes) => (text += bytes.toString()));
    socket.on("error", () => undefined);
    socket.write(hello);
    await waitUntil("the hello to arrive", 2000, () => received.includes(hello));
    return { socket, heard: () => text };
  }

  /** Come as far as the network, and no further: what it passes on it passes on as it comes. */
  const isHeld = async (from: string, to: string): Promise<void> => {
    await waitUntil("it to be held", 2000, () => network.held(from, to) === 1);
  };

  test("holds back one direction alone, for the connection of that sender alone, and lets it go on healed", async () => {
    const fromB = await dial("a", "hello id-of-b;");
    const fromControl = await dial("a", "hello id-of-cluster;");
    network.impair("b", "a", { cut: true });
    fromB.socket.write("held;");
    fromControl.socket.write("free;");
    accepted[0]!.write("answer;");
    await waitUntil("what is not cut", 2000, () => received.includes("free;") && fromB.heard() === "answer;");
    await isHeld("b", "a");
    expect(received).not.toContain("held;");
    network.heal();
    await waitUntil("what was held back", 2000, () => received.includes("held;"));
    expect(network.bytes("b", "a")).toBe("hello id-of-b;held;".length);
    expect(network.bytes(CONTROL_PLANE, "a")).toBe("hello id-of-cluster;free;".length);
  });

  test("cuts the words of a node also on the connection that the other one dialled", async () => {
    const fromB = await dial("a", "hello id-of-b;");
    network.impair("a", "b", { cut: true });
    accepted[0]!.write("held;");
    fromB.socket.write("free;");
    await waitUntil("what is not cut", 2000, () => received.includes("free;"));
    await isHeld("a", "b");
    expect(fromB.heard()).toBe("");
  });

  test("tells no end of a connection through a cut, and tells it when the cut heals", async () => {
    const fromB = await dial("a", "hello id-of-b;");
    network.separate("a");
    let ended = false;
    accepted[0]!.on("end", () => (ended = true));
    fromB.socket.end();
    await isHeld("b", "a");
    expect(ended).toBe(false);
    network.heal();
    await waitUntil("the end", 2000, () => ended);
  });

  test("delays, and passes no more bytes in a second than it is told", async () => {
    const fromB = await dial("a", "hello id-of-b;");
    network.impair("b", "a", { delayMs: 200 });
    let sentMs = performance.now();
    fromB.socket.write("late;");
    await waitUntil("the late bytes", 2000, () => received.includes("late;"));
    expect(performance.now() - sentMs).toBeGreaterThan(190);
    network.impair("b", "a", { bytesPerSecond: 100_000 });
    sentMs = performance.now();
    fromB.socket.write("x".repeat(30_000));
    await waitUntil("the slow bytes", 2000, () => received.length > 30_000);
    expect(performance.now() - sentMs).toBeGreaterThan(200);
  });
});
