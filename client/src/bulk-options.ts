/** What a bulk takes and gives. */
import type { BulkError } from "@prism/api/document";

export interface BulkOperation {
  /** Default put. */
  readonly action?: "put" | "create" | "patch" | "delete";
  /** Left out with put or create: the server makes one. */
  readonly id?: string;
  readonly document?: Readonly<Record<string, unknown>>;
  readonly ifMatch?: string;
  /** Needed for patch and delete in collections with a shard key. */
  readonly shardKey?: string;
  /** Made by the SDK when left out. */
  readonly opId?: string;
}

export interface BulkOptions {
  /** Lines per request. Default 500. */
  readonly batchLines?: number;
  /** Bytes per request; a larger line travels alone. Default 4 MiB. */
  readonly batchBytes?: number;
  /** Requests on the way at once. Default 4. */
  readonly concurrency?: number;
  /** Times a line or a request that failed for a while is sent again. Default 20: about half a minute. */
  readonly lineRetries?: number;
  /** One request, all its attempts included. Default 120,000. */
  readonly timeoutMs?: number;
  /** So long an attempt may go without a byte of its answer. Default 30,000. */
  readonly idleTimeoutMs?: number;
  /**
   * `searchable`: wait, once the lines of a request are acknowledged, until every in-sync copy shows them; the report's
   * `searchable` says whether all requests saw that in time. The writes stand either way. Default `committed`.
   */
  readonly waitFor?: "committed" | "searchable";
  /** Called for each line that failed for good; without it they are only counted. */
  readonly onFailure?: (failure: BulkFailure) => void;
  /** Called after each answered request. */
  readonly onProgress?: (progress: BulkProgress) => void;
  /** Ends the bulk with the error `aborted`; what was answered before is done. */
  readonly signal?: AbortSignal;
}

export interface BulkFailure {
  /** Position in the source, from 0. */
  readonly position: number;
  readonly operation: BulkOperation;
  readonly error: BulkError;
}

export interface BulkProgress {
  readonly succeeded: number;
  readonly failed: number;
  /** Of the settled lines as sent, in UTF-8. */
  readonly bytes: number;
}

export interface BulkReport extends BulkProgress {
  /** Read-your-writes token that covers all that succeeded. */
  readonly session: string;
  /** With `waitFor: "searchable"`: whether every in-sync copy showed all that succeeded; `detail` says which did not. */
  readonly searchable?: { readonly met: boolean; readonly detail?: string };
}

export type BulkSettings = BulkOptions &
  Required<Omit<BulkOptions, "onFailure" | "onProgress" | "signal" | "waitFor">>;

const DEFAULTS = {
  batchLines: 500,
  batchBytes: 4 * 1024 * 1024,
  concurrency: 4,
  lineRetries: 20,
  timeoutMs: 120_000,
  idleTimeoutMs: 30_000,
};

const WAIT_FOR: readonly unknown[] = ["committed", "searchable", undefined];

/** @throws {RangeError} */
export function bulkSettings(options: BulkOptions): BulkSettings {
  if (!WAIT_FOR.includes(options.waitFor)) {
    throw new RangeError(`bulk: waitFor must be committed or searchable, not ${String(options.waitFor)}`);
  }
  const numbers = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]) {
    const value = options[name] ?? DEFAULTS[name];
    const min = name === "lineRetries" ? 0 : 1;
    if (!Number.isInteger(value) || value < min) {
      throw new RangeError(`bulk: ${name} must be an integer from ${min}, not ${value}`);
    }
    numbers[name] = value;
  }
  return { ...options, ...numbers };
}
