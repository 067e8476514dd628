/** Something that happened to a shard's copy on this node: its role, its set, its data. */
export interface ProtocolEvent {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly shard: string;
  readonly allocation: string;
  /** See ProtocolNote; and takenUp, failed and removed. */
  readonly what: string;
  readonly details: Readonly<Record<string, unknown>>;
}
