/**
 * How processes know each other on the internal port: not at all (plain, a cluster on one machine), or by
 * mutual TLS under the cluster's own authority. With TLS both ends verify the chain and the identity in the
 * certificate (tls-identity.ts), never the host name.
 *
 * Certificates can be replaced while the process runs: new connections take the new ones, open streams go on.
 * gRPC has no stable way to do that; what it has is used here and nowhere else.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import {
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
  type SecureContextOptions,
} from "node:tls";
import { ChannelCredentials, Client, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import { DIAL_OPTIONS } from "./node-service.js";
import { parseTlsIdentity, tlsIdentityUri, type TlsIdentity, type TlsRole } from "./tls-identity.js";

/** PEM, as a Secret of type kubernetes.io/tls holds them: `tls.crt`, `tls.key`, `ca.crt`. */
export interface TlsMaterial {
  readonly certificate: string;
  readonly key: string;
  /** All authorities to trust: more than one while they are changed. */
  readonly authorities: string;
}

export interface InternalCredentials {
  readonly server: ServerCredentials;
  /** A client to a node of this cluster, for one connection. */
  client(address: string): Client;
  /** Why the other end of this stream is not of that role in this cluster; undefined when it is. */
  refusal(stream: ServerDuplexStream<Buffer, Buffer>, role: TlsRole): string | undefined;
}

/** Whoever reaches the port is believed: for the loopback interface. */
export const PLAIN: InternalCredentials = {
  server: ServerCredentials.createInsecure(),
  client: (address) => new Client(address, ChannelCredentials.createInsecure(), DIAL_OPTIONS),
  refusal: () => undefined,
};

/** Without secrets in its message. */
export class TlsMaterialError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "TlsMaterialError";
  }
}

interface Loaded {
  readonly material: TlsMaterial;
  readonly identity: TlsIdentity;
  readonly expiresAt: Date;
  readonly contextOptions: SecureContextOptions;
  readonly context: SecureContext;
}

export class TlsCredentials implements InternalCredentials {
  readonly server: ReplaceableServerCredentials;
  #loaded: Loaded;

  /** @throws {TlsMaterialError} saying what is wrong with it. */
  constructor(material: TlsMaterial) {
    this.#loaded = load(material);
    this.server = new ReplaceableServerCredentials(this.#loaded.contextOptions);
  }

  /** Of this process, by its certificate. */
  get identity(): TlsIdentity {
    return this.#loaded.identity;
  }

  get expiresAt(): Date {
    return this.#loaded.expiresAt;
  }

  /**
   * For connections from now on. Returns whether it differs from what is in use.
   * @throws {TlsMaterialError} what is in use then stays in use.
   */
  replace(material: TlsMaterial): boolean {
    const { certificate, key, authorities } = this.#loaded.material;
    const isSame =
      material.certificate === certificate && material.key === key && material.authorities === authorities;
    if (isSame) return false;
    const loaded = load(material);
    if (tlsIdentityUri(loaded.identity) !== tlsIdentityUri(this.identity)) {
      throw new TlsMaterialError(`the new certificate is that of ${tlsIdentityUri(loaded.identity)}`);
    }
    this.#loaded = loaded;
    this.server.replace(loaded.contextOptions);
    return true;
  }

  client(address: string): Client {
    const { context, identity } = this.#loaded;
    const channel = ChannelCredentials.createFromSecureContext(context, {
      checkServerIdentity: (_host: string, certificate: PeerCertificate) => {
        const refusal = refusalOf(certificate, { clusterId: identity.clusterId, role: "node" });
        return refusal === undefined ? undefined : new Error(refusal);
      },
    });
    // An address is no server name in TLS (RFC 6066, section 3); any name will do, as none is verified.
    const options = { ...DIAL_OPTIONS, "grpc.ssl_target_name_override": "node.prism.internal" };
    return new Client(address, channel, options);
  }

  refusal(stream: ServerDuplexStream<Buffer, Buffer>, role: TlsRole): string | undefined {
    const certificate = stream.getAuthContext().sslPeerCertificate;
    return refusalOf(certificate, { clusterId: this.identity.clusterId, role });
  }
}

class ReplaceableServerCredentials extends ServerCredentials {
  constructor(contextOptions: SecureContextOptions) {
    super({ requestCert: true, rejectUnauthorized: true }, contextOptions);
  }

  replace(contextOptions: SecureContextOptions): void {
    this.updateSecureContextOptions(contextOptions);
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

/** The chain was verified by the handshake. */
function refusalOf(certificate: PeerCertificate | undefined, expected: TlsIdentity): string | undefined {
  const names = certificate?.subjectaltname;
  const identity = parseTlsIdentity(names);
  if (identity?.clusterId === expected.clusterId && identity.role === expected.role) return undefined;
  const found = identity === undefined ? `none (${names ?? "no names"})` : tlsIdentityUri(identity);
  return `the certificate must be that of ${tlsIdentityUri(expected)}; its identity is ${found}`;
}

function load(material: TlsMaterial): Loaded {
  const [leaf, ...chain] = certificatesOf(material.certificate, "the certificate");
  if (leaf === undefined) throw new TlsMaterialError("the certificate is empty");
  const authorities = certificatesOf(material.authorities, "the authority's certificate");
  if (!leaf.checkPrivateKey(keyOf(material.key))) {
    throw new TlsMaterialError("the key does not belong to the certificate");
  }
  const last = chain.at(-1) ?? leaf;
  if (!authorities.some((authority) => last.checkIssued(authority) && last.verify(authority.publicKey))) {
    throw new TlsMaterialError("the certificate was not issued by the authority beside it");
  }
  const identity = parseTlsIdentity(leaf.subjectAltName);
  if (identity === undefined) {
    throw new TlsMaterialError(
      `the certificate names nobody: it has no URI prism://<cluster id>/node or /operator, but ${leaf.subjectAltName ?? "no names"}`,
    );
  }
  const contextOptions: SecureContextOptions = {
    cert: material.certificate,
    key: material.key,
    ca: material.authorities,
    minVersion: "TLSv1.3",
  };
  const expiresAt = new Date(leaf.validTo);
  return { material, identity, expiresAt, contextOptions, context: createSecureContext(contextOptions) };
}

function certificatesOf(pem: string, what: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new TlsMaterialError(`${what} is not in PEM`);
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    throw new TlsMaterialError(`${what} is damaged`);
  }
}

function keyOf(pem: string): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey(pem);
  } catch {
    throw new TlsMaterialError("the key is damaged or not in PEM");
  }
}
