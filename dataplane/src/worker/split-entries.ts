/** Cuts a run of log entries into replicate messages of bounded size. */
import type { CopyMessage } from "../domain/replication/event.js";
import type { LogEntry } from "../domain/replication/log-entry.js";

const MESSAGE_BYTES = 1024 * 1024;
const ENTRY_BYTES = 64;

/**
 * Each message names the entry before its first, so the receiver matches them one by one as if they
 * had been sent at different times. An entry larger than the bound goes alone.
 */
export function* splitEntries(
  message: CopyMessage,
  fromSeq: number,
  throughSeq: number,
  entryAt: (seq: number) => LogEntry,
): Generator<CopyMessage> {
  const { body } = message;
  if (body.kind !== "replicate") throw new TypeError(`entries belong to replicate, not to ${body.kind}`);
  let { previousSeq, previousTerm } = body;
  let entries: LogEntry[] = [];
  let bytes = 0;
  for (let seq = fromSeq; seq <= throughSeq; seq += 1) {
    const entry = entryAt(seq);
    const size = ENTRY_BYTES + (entry.body.kind === "index" ? entry.body.record.length : 0);
    if (entries.length > 0 && bytes + size > MESSAGE_BYTES) {
      yield { ...message, body: { ...body, previousSeq, previousTerm, entries } };
      const last = entries.at(-1)!;
      previousSeq = last.seq;
      previousTerm = last.term;
      entries = [];
      bytes = 0;
    }
    entries.push(entry);
    bytes += size;
  }
  yield { ...message, body: { ...body, previousSeq, previousTerm, entries } };
}
