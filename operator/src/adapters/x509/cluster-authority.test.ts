import { X509Certificate } from "node:crypto";
import { connect, createServer, type TLSSocket } from "node:tls";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { TlsMaterial } from "@prism/proto/internal-credentials";
import { afterEach, describe, expect, test } from "vitest";
import { authorityFault, issueLeaf, leafFault, makeAuthority, newPrivateKey } from "./cluster-authority.js";

const NOW = Date.UTC(2026, 10, 21, 12);
const DAY_MS = 86_400_000;
const CLUSTER = "0b7f8a52-9d3c-4f0e-8a51-2f4f5f1f9d10";
const KEYS = { privateKey: newPrivateKey, serial: () => Uint8Array.of(0, 0x80, 7) };
const NODE = { clusterId: CLUSTER, role: "node", dnsNames: ["*.demo-nodes.team.svc"] } as const;

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

describe("the authority of a cluster", () => {
  test("is one that issues end certificates only, for ten years, and from an hour ago", () => {
    const certificate = new X509Certificate(makeAuthority(CLUSTER, NOW, KEYS).certificate);
    expect(certificate.ca).toBe(true);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.checkIssued(certificate)).toBe(true);
    expect(certificate.serialNumber).toBe("8007");
    expect(Date.parse(certificate.validFrom)).toBe(NOW - 3_600_000);
    expect(Date.parse(certificate.validTo)).toBe(NOW + 3650 * DAY_MS);
  });

  test("is refused for another cluster, with another key, when damaged and when expired", () => {
    const authority = makeAuthority(CLUSTER, NOW, KEYS);
    expect(authorityFault(authority, CLUSTER, NOW)).toBeUndefined();
    expect(authorityFault(authority, "another", NOW)).toMatch(/another cluster/);
    const { key } = makeAuthority(CLUSTER, NOW, KEYS);
    expect(authorityFault({ ...authority, key }, CLUSTER, NOW)).toMatch(/does not belong/);
    expect(authorityFault({ ...authority, certificate: "" }, CLUSTER, NOW)).toMatch(/does not parse/);
    expect(authorityFault(authority, CLUSTER, NOW + 3651 * DAY_MS)).toMatch(/expired/);
    const { certificate, key: leafKey } = issueLeaf(authority, NODE, NOW, KEYS);
    expect(authorityFault({ certificate, key: leafKey }, CLUSTER, NOW)).toMatch(/not that of an authority/);
  });

  test("issues certificates for both ends of TLS with the names asked for", () => {
    const authority = makeAuthority(CLUSTER, NOW, KEYS);
    const leaf = new X509Certificate(issueLeaf(authority, NODE, NOW, KEYS).certificate);
    expect(leaf.ca).toBe(false);
    expect(leaf.subjectAltName).toBe(`DNS:*.demo-nodes.team.svc, URI:prism://${CLUSTER}/node`);
    expect(leaf.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
    expect(leaf.checkIssued(new X509Certificate(authority.certificate))).toBe(true);
  });

  test("issues nothing that outlives it", () => {
    const authority = makeAuthority(CLUSTER, NOW, KEYS);
    const late = issueLeaf(authority, NODE, NOW + 3000 * DAY_MS, KEYS);
    expect(new X509Certificate(late.certificate).validTo).toBe(
      new X509Certificate(authority.certificate).validTo,
    );
  });

  test("finds what is wrong with a leaf", () => {
    const authority = makeAuthority(CLUSTER, NOW, KEYS);
    const leaf = issueLeaf(authority, NODE, NOW, KEYS);
    const faultOf = (changed: Partial<TlsMaterial>, request: Partial<typeof NODE> = {}, nowMs = NOW) =>
      leafFault({ ...leaf, ...changed }, authority, { ...NODE, ...request }, nowMs);
    expect(faultOf({})).toBeUndefined();
    expect(faultOf({ certificate: "damaged" })).toMatch(/does not parse/);
    expect(faultOf({ key: issueLeaf(authority, NODE, NOW, KEYS).key })).toMatch(/key does not belong/);
    expect(faultOf({ authorities: makeAuthority(CLUSTER, NOW, KEYS).certificate })).toMatch(/is another/);
    expect(faultOf(issueLeaf(makeAuthority(CLUSTER, NOW, KEYS), NODE, NOW, KEYS))).toMatch(
      /another authority/,
    );
    expect(leafFault(leaf, authority, { ...NODE, role: "operator" }, NOW)).toMatch(/names are others/);
    expect(faultOf({}, {}, NOW + (1095 - 61) * DAY_MS)).toBeUndefined();
    expect(faultOf({}, {}, NOW + (1095 - 59) * DAY_MS)).toMatch(/expires at/);
  });

  // Verification is the runtime's: that it accepts what is written here shows that it is written right.
  test("is believed by TLS, and another authority is not", async () => {
    const now = Date.now();
    const authority = makeAuthority(CLUSTER, now, KEYS);
    const node = issueLeaf(authority, NODE, now, KEYS);
    const operator = issueLeaf(authority, { clusterId: CLUSTER, role: "operator", dnsNames: [] }, now, KEYS);
    const stranger = makeAuthority(CLUSTER, now, KEYS);
    expect(await handshake(node, operator)).toBe(`URI:prism://${CLUSTER}/operator`);
    await expect(handshake(node, { ...operator, authorities: stranger.certificate })).rejects.toThrow(
      /certificate|unknown ca|hang up/i,
    );
    await expect(handshake({ ...node, authorities: stranger.certificate }, operator)).rejects.toThrow(
      /certificate|unknown ca|hang up/i,
    );
  });
});

/** Resolves with the names of the client as the server verified them. */
async function handshake(server: TlsMaterial, client: TlsMaterial): Promise<string> {
  const listener = createServer({
    ...optionsOf(server),
    requestCert: true,
    rejectUnauthorized: true,
  });
  closers.push(() => listener.close());
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const accepted = new Promise<string>((resolve, reject) => {
    listener.on("secureConnection", (socket) => resolve(socket.getPeerCertificate().subjectaltname ?? ""));
    listener.on("tlsClientError", reject);
  });
  const { port } = listener.address() as AddressInfo;
  const socket: TLSSocket = connect({
    ...optionsOf(client),
    host: "127.0.0.1",
    port,
    checkServerIdentity: () => undefined,
  });
  closers.push(() => socket.destroy());
  const refused = new Promise<never>((_resolve, reject) => socket.on("error", reject));
  return await Promise.race([accepted, refused]);
}

function optionsOf({ certificate, key, authorities }: TlsMaterial) {
  return { cert: certificate, key, ca: authorities, minVersion: "TLSv1.3" } as const;
}
