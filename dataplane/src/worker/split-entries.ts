/** Cuts a run of log entries into replicate messages of bounded size. */

const MESSAGE_BYTES = 1024 * 1024;

export interface EntryRange {
  /** The entry before the first one: the receiver matches each message as if they had been sent at different times. */
  readonly previousSeq: number;
  readonly throughSeq: number;
}

/** An entry larger than the bound goes alone. */
export function* splitEntries(
  fromSeq: number,
  throughSeq: number,
  bytesOf: (seq: number) => number,
): Generator<EntryRange> {
  let previousSeq = fromSeq - 1;
  let bytes = 0;
  for (let seq = fromSeq; seq <= throughSeq; seq += 1) {
    const size = bytesOf(seq);
    if (seq > previousSeq + 1 && bytes + size > MESSAGE_BYTES) {
      yield { previousSeq, throughSeq: seq - 1 };
      previousSeq = seq - 1;
      bytes = 0;
    }
    bytes += size;
  }
  if (previousSeq < throughSeq) yield { previousSeq, throughSeq };
}
