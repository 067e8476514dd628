/**
 * Comparing the copies of a shard at one sequence number. Every copy reads its documents as they are right
 * after a marker, an operation in the log that changes nothing, and sums them up in buckets by a hash of
 * their ids: two levels of a hash tree (Merkle, US patent 4309569). Where a bucket differs, the documents
 * of it are listed and compared.
 */
import { xxh32 } from "@prism/proto/contract/xxh32";
import { compareByteOrder } from "./byte-order.js";

export const BUCKETS = 1024;
export const DIGEST_BYTES = 16;
/** Differing buckets that are listed at once; each holds one document in a thousand. */
export const BUCKETS_LISTED = 8;

const MARKER = "verify/";
const utf8 = new TextEncoder();

export function bucketOf(id: string): number {
  return xxh32(utf8.encode(id)) % BUCKETS;
}

/** The marker as an operation: a delete of a document that nobody can have made. */
export function markerOf(verificationId: string): { readonly operationId: string; readonly id: string } {
  return { operationId: `${MARKER}${verificationId}`, id: `prism-verify-${verificationId}` };
}

/** Which verification the logged operation is the marker of; the log adds a suffix to operation ids. */
export function verificationOf(operationId: string): string | undefined {
  if (!operationId.startsWith(MARKER)) return undefined;
  const end = operationId.indexOf("#");
  return operationId.slice(MARKER.length, end === -1 ? undefined : end);
}

/** What one copy was found to hold. */
export interface CopyReading {
  readonly documents: number;
  /** Documents in its indexes. */
  readonly indexed: number;
  /** BUCKETS digests of DIGEST_BYTES. */
  readonly digests: Uint8Array;
  readonly operationsDigest: Uint8Array;
}

/** Buckets whose digests are not the same in all readings, in order. */
export function differingBuckets(readings: readonly CopyReading[]): number[] {
  const [first, ...others] = readings;
  if (first === undefined) return [];
  const differing: number[] = [];
  for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
    const digest = digestAt(first.digests, bucket);
    if (others.some((other) => !equalBytes(digest, digestAt(other.digests, bucket)))) differing.push(bucket);
  }
  return differing;
}

export function operationsEqual(readings: readonly CopyReading[]): boolean {
  const [first, ...others] = readings;
  return (
    first === undefined || others.every((other) => equalBytes(first.operationsDigest, other.operationsDigest))
  );
}

export function indexesComplete(readings: readonly CopyReading[]): boolean {
  return readings.every(({ documents, indexed }) => documents === indexed);
}

export interface ListedDocument {
  readonly id: string;
  readonly term: number;
  readonly seq: number;
  /** Empty: what is stored is damaged or missing. */
  readonly digest: Uint8Array;
}

export interface DocumentDifference {
  readonly id: string;
  /** In the order of the listings; undefined where the copy has no such document. */
  readonly copies: readonly (ListedDocument | undefined)[];
}

/** Documents that are not the same in all listings, by id. Listings are in the order of the copies. */
export function differingDocuments(listings: readonly (readonly ListedDocument[])[]): DocumentDifference[] {
  const byId = new Map<string, (ListedDocument | undefined)[]>();
  for (const [copy, listing] of listings.entries()) {
    for (const document of listing) {
      const copies = byId.get(document.id) ?? listings.map(() => undefined);
      copies[copy] = document;
      byId.set(document.id, copies);
    }
  }
  return [...byId]
    .filter(([, copies]) => copies.some((document) => !isSame(document, copies[0])))
    .map(([id, copies]) => ({ id, copies }))
    .sort((left, right) => compareByteOrder(left.id, right.id));
}

function isSame(left: ListedDocument | undefined, right: ListedDocument | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  // A damaged value is a difference even where all copies have one.
  if (left.digest.length === 0) return false;
  return left.term === right.term && left.seq === right.seq && equalBytes(left.digest, right.digest);
}

function digestAt(digests: Uint8Array, bucket: number): Uint8Array {
  return digests.subarray(bucket * DIGEST_BYTES, (bucket + 1) * DIGEST_BYTES);
}

function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, i) => byte === right[i]);
}
