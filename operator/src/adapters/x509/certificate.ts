/**
 * Writes X.509 certificates (RFC 5280) over ECDSA P-256 keys, those of an authority and those it issues for
 * both ends of TLS. Only writes: certificates are read and verified by the runtime's own TLS.
 */
import { createHash, createPublicKey, sign, type KeyObject } from "node:crypto";
import {
  bitString,
  booleanTrue,
  contextConstructed,
  contextPrimitive,
  integer,
  objectId,
  octetString,
  sequence,
  setOf,
  time,
  utf8String,
} from "./der.js";

const Oid = {
  commonName: "2.5.4.3",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
} as const;

/** Bits of KeyUsage, the first one the highest of the byte, and how many of the byte mean nothing. */
const SIGNS_CERTIFICATES = { byte: 0b0000_0110, unusedBits: 1 };
const SIGNS_HANDSHAKES = { byte: 0b1000_0000, unusedBits: 7 };
/** Tags of GeneralName. */
const DNS_NAME = 2;
const URI_NAME = 6;

export interface CertificateRequest {
  readonly commonName: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Up to 20 bytes, not all zero. */
  readonly serial: Uint8Array;
}

export interface IssuedNames {
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
}

export interface Issuer {
  readonly commonName: string;
  readonly privateKey: KeyObject;
}

/** A self-signed authority that issues end certificates only. PEM. */
export function makeAuthorityCertificate(request: CertificateRequest, privateKey: KeyObject): string {
  const publicKey = createPublicKey(privateKey);
  return write(request, publicKey, { commonName: request.commonName, privateKey }, [
    extension(Oid.basicConstraints, sequence(booleanTrue(), integer(Uint8Array.of(0))), { critical: true }),
    keyUsage(SIGNS_CERTIFICATES),
    extension(Oid.subjectKeyIdentifier, octetString(keyIdentifier(publicKey))),
  ]);
}

/** For a server and a client in one. PEM. */
export function issueCertificate(
  request: CertificateRequest,
  names: IssuedNames,
  publicKey: KeyObject,
  issuer: Issuer,
): string {
  const issuerKeyId = keyIdentifier(createPublicKey(issuer.privateKey));
  return write(request, publicKey, issuer, [
    extension(Oid.basicConstraints, sequence(), { critical: true }),
    keyUsage(SIGNS_HANDSHAKES),
    extension(Oid.extendedKeyUsage, sequence(objectId(Oid.serverAuth), objectId(Oid.clientAuth))),
    extension(Oid.subjectAltName, generalNames(names)),
    extension(Oid.subjectKeyIdentifier, octetString(keyIdentifier(publicKey))),
    extension(Oid.authorityKeyIdentifier, sequence(contextPrimitive(0, issuerKeyId))),
  ]);
}

function write(
  request: CertificateRequest,
  publicKey: KeyObject,
  issuer: Issuer,
  extensions: readonly Uint8Array[],
): string {
  const algorithm = sequence(objectId(Oid.ecdsaWithSha256));
  const version3 = contextConstructed(0, integer(Uint8Array.of(2)));
  const toBeSigned = sequence(
    version3,
    integer(request.serial),
    algorithm,
    nameOf(issuer.commonName),
    sequence(time(request.notBefore), time(request.notAfter)),
    nameOf(request.commonName),
    publicKey.export({ type: "spki", format: "der" }),
    contextConstructed(3, sequence(...extensions)),
  );
  const signature = sign("sha256", toBeSigned, { key: issuer.privateKey, dsaEncoding: "der" });
  const base64 = Buffer.from(sequence(toBeSigned, algorithm, bitString(signature))).toString("base64");
  const lines = base64.match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

function nameOf(commonName: string): Uint8Array {
  return sequence(setOf(sequence(objectId(Oid.commonName), utf8String(commonName))));
}

function generalNames({ dnsNames, uris }: IssuedNames): Uint8Array {
  const bytes = (text: string): Uint8Array => Buffer.from(text, "ascii");
  return sequence(
    ...dnsNames.map((name) => contextPrimitive(DNS_NAME, bytes(name))),
    ...uris.map((uri) => contextPrimitive(URI_NAME, bytes(uri))),
  );
}

function keyUsage({ byte, unusedBits }: typeof SIGNS_CERTIFICATES): Uint8Array {
  return extension(Oid.keyUsage, bitString(Uint8Array.of(byte), unusedBits), { critical: true });
}

function extension(id: string, value: Uint8Array, { critical = false } = {}): Uint8Array {
  return sequence(objectId(id), ...(critical ? [booleanTrue()] : []), octetString(value));
}

/** RFC 7093, section 2: the first 160 bits of a SHA-256. */
function keyIdentifier(publicKey: KeyObject): Uint8Array {
  const spki = publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(spki).digest().subarray(0, 20);
}
