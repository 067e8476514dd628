/** What the election's thread and its process say to each other. */
import type { KubeEnvironment } from "./kube-config.js";
import type { LeaseTiming } from "./lease-contender.js";

export interface LeaseSettings extends LeaseTiming {
  readonly environment: KubeEnvironment;
  readonly namespace: string;
  readonly name: string;
  readonly identity: string;
  readonly userAgent: string;
  /** After such silence of the main thread the lease is left to run out. */
  readonly stallLimitMs: number;
  /** Two 64-bit slots, in nanoseconds of the clock that all threads of a process share. */
  readonly clock: SharedArrayBuffer;
}

/** Slot: leading until then. */
export const LEADING_UNTIL = 0;
/** Slot: the main thread was alive then. */
export const ALIVE_AT = 1;

export type LeaseReport =
  | { readonly type: "leading" }
  | { readonly type: "lost"; readonly reason: string }
  | { readonly type: "holder"; readonly identity: string }
  | { readonly type: "error"; readonly message: string }
  | { readonly type: "stopped" };
