/** Who may open which stream of a node's internal port, over real TLS. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ChannelCredentials, Client } from "@grpc/grpc-js";
import { startInternalServer } from "@prism/dataplane/adapters/grpc/internal-server";
import { TlsDirectory } from "@prism/dataplane/adapters/files/tls-directory";
import { GrpcNodeDialer } from "@prism/operator/adapters/grpc/grpc-node-dialer";
import {
  issueLeaf,
  makeAuthority,
  newPrivateKey,
  type Authority,
} from "@prism/operator/adapters/x509/cluster-authority";
import {
  PLAIN,
  TlsCredentials,
  type InternalCredentials,
  type TlsMaterial,
} from "@prism/proto/internal-credentials";
import { CONTROL_STREAM_PATH, DIAL_OPTIONS, PEER_STREAM_PATH } from "@prism/proto/node-service";
import { ControlFrame } from "@prism/proto/gen/node";
import type { TlsRole } from "@prism/proto/tls-identity";
import { pino } from "pino";
import { afterEach, describe, expect, test } from "vitest";
import { makeTestDirectory } from "./test-directory.js";
import { waitUntil } from "./wait-until.js";

const NODE_PROGRAM = fileURLToPath(import.meta.resolve("@prism/dataplane/main"));
const HOST = "127.0.0.1";
const CLUSTER = "c1";
const YEARS_MS = 4 * 365 * 86_400_000;
const KEYS = { privateKey: newPrivateKey, serial: () => Uint8Array.of(1) };
const AUTHORITY = makeAuthority(CLUSTER, Date.now(), KEYS);

interface Who {
  readonly role?: TlsRole;
  readonly clusterId?: string;
  readonly authority?: Authority;
  readonly issuedMs?: number;
}

/** A member of the cluster, but for what is said. */
function materialOf({
  role = "node",
  clusterId = CLUSTER,
  authority = AUTHORITY,
  issuedMs,
}: Who): TlsMaterial {
  const request = { clusterId, role, dnsNames: [] };
  return {
    ...issueLeaf(authority, request, issuedMs ?? Date.now(), KEYS),
    authorities: AUTHORITY.certificate,
  };
}

/** As `materialOf`, for material that is inconsistent by itself: TlsCredentials refuse to load that. */
function intruder(who: Who): InternalCredentials {
  const { certificate, key } = materialOf(who);
  return new TlsCredentials({ certificate, key, authorities: (who.authority ?? AUTHORITY).certificate });
}

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function newDirectory(): Promise<string> {
  const directory = await makeTestDirectory();
  closers.push(() => directory.remove());
  return directory.path;
}

/** A node's internal port whose streams send one byte when they are accepted. */
async function serve(credentials: InternalCredentials): Promise<{ address: string; refused: string[] }> {
  const refused: string[] = [];
  const greet = (stream: { write(bytes: Buffer): void }): void => stream.write(Buffer.of(1));
  const handlers = { peer: greet, control: greet, onRefused: (detail: string) => refused.push(detail) };
  const server = await startInternalServer({ host: HOST, port: 0 }, handlers, credentials);
  closers.push(() => server.close());
  return { address: `${HOST}:${server.port}`, refused };
}

/** "accepted", or why not. */
async function open(address: string, credentials: InternalCredentials, path: string): Promise<string> {
  const client = credentials.client(address);
  const same = (bytes: Buffer): Buffer => bytes;
  const stream = client.makeBidiStreamRequest<Buffer, Buffer>(path, same, same);
  closers.push(() => {
    stream.cancel();
    client.close();
  });
  stream.write(Buffer.of(1));
  let outcome: string | undefined;
  stream.on("data", () => (outcome ??= "accepted"));
  stream.on("error", (error: Error) => (outcome ??= error.message));
  return await waitUntil("an answer of the internal port", 10_000, () => outcome);
}

describe("the internal port with TLS", () => {
  const member = (role: TlsRole): TlsCredentials => new TlsCredentials(materialOf({ role }));

  test("takes peer streams of the cluster's nodes and control streams of its control plane", async () => {
    const { address } = await serve(member("node"));
    expect(await open(address, member("node"), PEER_STREAM_PATH)).toBe("accepted");
    expect(await open(address, member("operator"), CONTROL_STREAM_PATH)).toBe("accepted");
  });

  test.each([
    ["a node that wants to control", intruder({ role: "node" }), CONTROL_STREAM_PATH],
    ["a control plane that wants to be a peer", intruder({ role: "operator" }), PEER_STREAM_PATH],
  ])("refuses %s, and says so", async (_who, credentials, path) => {
    const { address, refused } = await serve(member("node"));
    expect(await open(address, credentials, path)).toMatch(
      /PERMISSION_DENIED.*must be that of prism:\/\/c1\//,
    );
    expect(refused).toHaveLength(1);
  });

  test.each([
    ["a node of another cluster under the same authority", { clusterId: "c2" }],
    ["a control plane of another cluster under the same authority", { clusterId: "c2", role: "operator" }],
  ] as const)("refuses %s", async (_who, who) => {
    const { address } = await serve(member("node"));
    const path = "role" in who ? CONTROL_STREAM_PATH : PEER_STREAM_PATH;
    expect(await open(address, credulous(materialOf(who)), path)).toMatch(
      /PERMISSION_DENIED.*its identity is prism:\/\/c2\//,
    );
  });

  test.each([
    ["speaks plainly", PLAIN],
    ["has a certificate of another authority", strangerThatTrustsUs()],
    ["has a certificate that has expired", intruder({ issuedMs: Date.now() - YEARS_MS })],
  ])("refuses a client that %s", async (_what, credentials) => {
    const { address } = await serve(member("node"));
    expect(await open(address, credentials, PEER_STREAM_PATH)).toMatch(/UNAVAILABLE/);
    expect(await open(address, credentials, CONTROL_STREAM_PATH)).toMatch(/UNAVAILABLE/);
  });

  test.each([
    ["speaks plainly", PLAIN, /UNAVAILABLE/],
    ["has another authority", strangerThatTrustsUs(), /UNAVAILABLE/],
    ["belongs to another cluster", intruder({ clusterId: "c2" }), /its identity is prism:\/\/c2\/node/],
    ["is the control plane of its cluster", intruder({ role: "operator" }), /prism:\/\/c1\/operator/],
    ["has an expired certificate", intruder({ issuedMs: Date.now() - YEARS_MS }), /expired/],
  ])("is not spoken to by clients when it %s", async (_what, server, reason) => {
    const { address } = await serve(server);
    expect(await open(address, member("node"), PEER_STREAM_PATH)).toMatch(reason);
  });

  test("goes over to new certificates without closing a stream", async () => {
    const credentials = member("node");
    const { address } = await serve(credentials);
    const client = member("node").client(address);
    const same = (bytes: Buffer): Buffer => bytes;
    const stream = client.makeBidiStreamRequest<Buffer, Buffer>(PEER_STREAM_PATH, same, same);
    closers.push(() => client.close());
    let ended = false;
    stream.on("error", () => (ended = true));
    await once(stream, "data");

    const next = makeAuthority(CLUSTER, Date.now(), KEYS);
    const authorities = AUTHORITY.certificate + next.certificate;
    expect(credentials.replace({ ...materialOf({ authority: next }), authorities })).toBe(true);
    expect(await open(address, member("node"), PEER_STREAM_PATH)).toMatch(/UNAVAILABLE/);
    const both = new TlsCredentials({ ...materialOf({}), authorities });
    expect(await open(address, both, PEER_STREAM_PATH)).toBe("accepted");
    expect(ended).toBe(false);
    stream.cancel();
  });
});

describe("a node with a certificate directory", () => {
  test("shows itself to the control plane, and to no other", async () => {
    const directory = await newDirectory();
    const tls = await writeMaterial(directory, materialOf({}));
    const node = startNode(directory, ["--tls-directory", tls]);
    const address = await waitUntil(
      "the node to listen",
      20_000,
      () => /"peer":"([^"]+)"/.exec(node.output())?.[1],
    );
    const hello = await dial(address, new TlsCredentials(materialOf({ role: "operator" })));
    expect(hello).toMatch(/^hello of a-0$/);
    expect(await dial(address, new TlsCredentials(materialOf({ role: "node" })))).toMatch(
      /PERMISSION_DENIED/,
    );
    expect(await dial(address, PLAIN)).toMatch(/UNAVAILABLE/);
    expect(node.output()).toContain("refused a client of the internal port");
  });

  test.each([
    ["is missing", {}, /tlsDirectory .*ENOENT/],
    ["has a damaged certificate", { "tls.crt": "damaged" }, /the certificate is not in PEM/],
    ["has the key of another", { "tls.key": materialOf({}).key }, /key does not belong/],
    ["has a damaged key", { "tls.key": "-----BEGIN PRIVATE KEY-----" }, /the key is damaged/],
    [
      "has another authority",
      { "ca.crt": makeAuthority(CLUSTER, Date.now(), KEYS).certificate },
      /not issued by/,
    ],
  ])("does not start when that %s: one line, an exit code, no secret", async (_what, changed, reason) => {
    const directory = await newDirectory();
    const good = materialOf({});
    const isThere = Object.keys(changed).length > 0;
    const tls = isThere ? await writeMaterial(directory, good, changed) : join(directory, "nowhere");
    const node = startNode(directory, ["--tls-directory", tls]);
    expect(await node.exitCode).toBe(2);
    const lines = node.output().trim().split("\n");
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(reason);
    expect(lines[0]).not.toContain(good.key.split("\n")[1]);
  });

  test("keeps what it has while the files are replaced by halves, and takes them when they are whole", async () => {
    const directory = await newDirectory();
    const first = materialOf({});
    const second = materialOf({});
    const path = await writeMaterial(directory, first);
    const opened = await TlsDirectory.open(path, pino({ level: "silent" }));
    closers.push(() => opened.close());
    const { address } = await serve(opened.credentials);
    await writeMaterial(directory, { ...second, key: first.key });
    await opened.reread();
    expect(await open(address, new TlsCredentials(first), PEER_STREAM_PATH)).toBe("accepted");
    await writeMaterial(directory, { ...materialOf({ clusterId: "c2" }) });
    await opened.reread();
    expect(opened.credentials.identity.clusterId).toBe(CLUSTER);
    const ends = opened.credentials.expiresAt;
    const later = materialOf({ issuedMs: Date.now() + 3_600_000 });
    await writeMaterial(directory, later);
    await opened.reread();
    expect(opened.credentials.expiresAt.getTime()).toBeGreaterThan(ends.getTime());
  });
});

/** Its certificate is another authority's, but it believes ours: only the other end can refuse. */
function strangerThatTrustsUs(): InternalCredentials {
  const authority = makeAuthority(CLUSTER, Date.now(), KEYS);
  const { certificate, key } = materialOf({ authority });
  const authorities = authority.certificate + AUTHORITY.certificate;
  return new TlsCredentials({ certificate, key, authorities });
}

/** Speaks to whoever answers: so that the other end's check is what refuses. */
function credulous({ certificate, key, authorities }: TlsMaterial): InternalCredentials {
  const pem = (text: string): Buffer => Buffer.from(text);
  const channel = ChannelCredentials.createSsl(pem(authorities), pem(key), pem(certificate), {
    checkServerIdentity: () => undefined,
  });
  const options = { ...DIAL_OPTIONS, "grpc.ssl_target_name_override": "any" };
  return { ...PLAIN, client: (address) => new Client(address, channel, options) };
}

async function writeMaterial(
  directory: string,
  material: TlsMaterial,
  changed: Readonly<Record<string, string>> = {},
): Promise<string> {
  const path = join(directory, "tls");
  await mkdir(path, { recursive: true });
  const files = { "tls.crt": material.certificate, "tls.key": material.key, "ca.crt": material.authorities };
  for (const [name, text] of Object.entries({ ...files, ...changed })) {
    await writeFile(join(path, name), text);
  }
  return path;
}

function startNode(directory: string, flags: readonly string[]) {
  const ports = ["http", "peer", "admin"].flatMap((name) => [`--${name}-address`, `${HOST}:0`]);
  const args = ["--data", join(directory, "data"), "--name", "a-0", "--workers", "1", ...ports, ...flags];
  const child = spawn(process.execPath, [NODE_PROGRAM, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, UV_THREADPOOL_SIZE: "16" },
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const exitCode = once(child, "close").then(([code]) => code as number | null);
  closers.push(async () => {
    child.kill("SIGKILL");
    await exitCode;
  });
  return { exitCode, output: () => output };
}

/** What a control plane with these credentials hears. */
async function dial(address: string, credentials: InternalCredentials): Promise<string> {
  let heard: string | undefined;
  const stream = new GrpcNodeDialer(credentials).dial(address, {
    onFrame: (frame) => (heard ??= `hello of ${frame.nodeHello?.name ?? "nobody"}`),
    onClosed: (detail) => (heard ??= detail),
  });
  stream.send(
    ControlFrame.encode({ id: 0, hello: { clusterId: CLUSTER, clusterName: "test", leaderEpoch: 1 } }),
  );
  const outcome = await waitUntil("an answer of the node", 10_000, () => heard);
  stream.close();
  return outcome;
}
