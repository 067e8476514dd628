/**
 * A cluster's own authority, and the certificates it issues: one that all nodes share, one for the control
 * plane. Who a certificate is for is in its URI (proto/src/tls-identity.ts).
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  X509Certificate,
  type KeyObject,
} from "node:crypto";
import type { TlsMaterial } from "@prism/proto/internal-credentials";
import { tlsIdentityUri, type TlsRole } from "@prism/proto/tls-identity";
import { issueCertificate, makeAuthorityCertificate } from "./certificate.js";

const DAY_MS = 86_400_000;
/** Clocks of machines differ: a certificate is valid from before it was made. */
const BACKDATING_MS = 3_600_000;
const AUTHORITY_LIFE_MS = 3650 * DAY_MS;
const LEAF_LIFE_MS = 1095 * DAY_MS;
/** A leaf with less left is issued anew. */
const LEAF_RENEWAL_MS = 60 * DAY_MS;

/** Where chance comes from: given, so that what is made of it is a function of it. */
export interface KeySource {
  /** A P-256 key pair. */
  privateKey(): KeyObject;
  /** 16 bytes. */
  serial(): Uint8Array;
}

/** PEM. */
export interface Authority {
  readonly certificate: string;
  readonly key: string;
}

export interface LeafRequest {
  readonly clusterId: string;
  readonly role: TlsRole;
  readonly dnsNames: readonly string[];
}

export function newPrivateKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

export function makeAuthority(clusterId: string, nowMs: number, keys: KeySource): Authority {
  const privateKey = keys.privateKey();
  const request = {
    commonName: authorityName(clusterId),
    notBefore: new Date(nowMs - BACKDATING_MS),
    notAfter: new Date(nowMs + AUTHORITY_LIFE_MS),
    serial: keys.serial(),
  };
  return { certificate: makeAuthorityCertificate(request, privateKey), key: pemOf(privateKey) };
}

/** @throws {Error} when the authority's key does not parse. */
export function issueLeaf(
  authority: Authority,
  { clusterId, role, dnsNames }: LeafRequest,
  nowMs: number,
  keys: KeySource,
): TlsMaterial {
  const privateKey = keys.privateKey();
  const issuerCertificate = new X509Certificate(authority.certificate);
  const request = {
    commonName: `prism ${role}`,
    notBefore: new Date(nowMs - BACKDATING_MS),
    // A leaf that outlives its authority looks valid and is refused.
    notAfter: new Date(Math.min(nowMs + LEAF_LIFE_MS, Date.parse(issuerCertificate.validTo))),
    serial: keys.serial(),
  };
  const names = { dnsNames, uris: [tlsIdentityUri({ clusterId, role })] };
  const issuer = {
    commonName: issuerCertificate.subject.replace(/^CN=/, ""),
    privateKey: createPrivateKey(authority.key),
  };
  return {
    certificate: issueCertificate(request, names, createPublicKey(privateKey), issuer),
    key: pemOf(privateKey),
    authorities: authority.certificate,
  };
}

/** Why this can't be used as the authority of the cluster; undefined when it can. */
export function authorityFault(
  { certificate, key }: Authority,
  clusterId: string,
  nowMs: number,
): string | undefined {
  try {
    const parsed = new X509Certificate(certificate);
    if (!parsed.ca) return "its certificate is not that of an authority";
    if (!parsed.checkPrivateKey(createPrivateKey(key))) return "its key does not belong to its certificate";
    if (parsed.subject !== `CN=${authorityName(clusterId)}`) {
      return `it is the authority of another cluster: ${parsed.subject}`;
    }
    return Date.parse(parsed.validTo) > nowMs ? undefined : `it expired at ${parsed.validTo}`;
  } catch {
    return "it does not parse";
  }
}

/** Why a leaf has to be issued anew; undefined when it has not. */
export function leafFault(
  { certificate, key, authorities }: TlsMaterial,
  authority: Authority,
  { clusterId, role, dnsNames }: LeafRequest,
  nowMs: number,
): string | undefined {
  try {
    const parsed = new X509Certificate(certificate);
    const issuer = new X509Certificate(authority.certificate);
    if (!parsed.checkIssued(issuer) || !parsed.verify(issuer.publicKey)) return "another authority issued it";
    if (!authorities.includes(authority.certificate.trim())) return "the authority beside it is another";
    if (!parsed.checkPrivateKey(createPrivateKey(key))) return "its key does not belong to its certificate";
    const wanted = [...dnsNames.map((name) => `DNS:${name}`), `URI:${tlsIdentityUri({ clusterId, role })}`];
    if (parsed.subjectAltName !== wanted.join(", ")) return "its names are others";
    return Date.parse(parsed.validTo) > nowMs + LEAF_RENEWAL_MS
      ? undefined
      : `it expires at ${parsed.validTo}`;
  } catch {
    return "it does not parse";
  }
}

function authorityName(clusterId: string): string {
  return `prism cluster ${clusterId}`;
}

function pemOf(privateKey: KeyObject): string {
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}
