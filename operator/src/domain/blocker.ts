import type { Reason } from "@prism/api/reason";

/** A change that waits, and for what. */
export interface Blocker {
  readonly rule: Reason;
  readonly evidence: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** What a person can do about it. */
  readonly unblock: string;
}
