import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LogRetention, type LogBounds } from "./log-retention.js";

const BOUNDS: LogBounds = { operationLogBytes: 1000, operationLogEntries: 50, operationLogMs: 60_000 };

function logOf(entries: number, bytes: number, everyMs = 0): LogRetention {
  const log = new LogRetention(BOUNDS, 0);
  for (let i = 0; i < entries; i += 1) log.append(bytes, i * everyMs);
  return log;
}

describe("the operation log", () => {
  it("keeps all within its bounds", () => {
    expect(logOf(50, 20).at(0)).toEqual({ retainFromSeq: 1, pinFromSeq: 1 });
  });

  it("keeps no more bytes than its bound, and four times as many for copies being filled", () => {
    expect(logOf(45, 100).at(0)).toEqual({ retainFromSeq: 36, pinFromSeq: 6 });
  });

  it("keeps no more entries than its bound", () => {
    expect(logOf(260, 1).at(0)).toEqual({ retainFromSeq: 211, pinFromSeq: 61 });
  });

  it("keeps nothing that is older than its bound, however little it is", () => {
    const log = logOf(10, 1, 10_000);
    expect(log.at(90_000).retainFromSeq).toBe(4);
    expect(log.at(1_000_000)).toEqual({ retainFromSeq: 11, pinFromSeq: 1 });
  });

  it("counts as a plain list does, through appends, truncations and trims", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("append"), bytes: fc.nat(400), afterMs: fc.nat(3000) }),
      fc.record({ kind: fc.constant("truncate"), part: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.record({ kind: fc.constant("trim"), part: fc.double({ min: 0, max: 1, noNaN: true }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const log = new LogRetention(BOUNDS, 0);
        let base = 0;
        let held: { bytes: number; timeMs: number }[] = [];
        let nowMs = 0;
        for (const one of steps) {
          if ("bytes" in one) {
            nowMs += one.afterMs;
            held.push({ bytes: one.bytes, timeMs: nowMs });
            log.append(one.bytes, nowMs);
          } else {
            const count = Math.floor(one.part * held.length);
            if (one.kind === "truncate") {
              held = held.slice(0, count);
              log.truncateAfter(base + count);
            } else {
              held = held.slice(count);
              base += count;
              log.trimThrough(base);
            }
          }
          const sum = (from: number): number => held.slice(from).reduce((all, { bytes }) => all + bytes, 0);
          let from = 0;
          while (sum(from) > BOUNDS.operationLogBytes || held.length - from > BOUNDS.operationLogEntries)
            from += 1;
          // Ages are known to a run of a second: entries may stay that much longer, and leave no sooner.
          const old = (slackMs: number): number =>
            held.filter(({ timeMs }) => nowMs - timeMs > BOUNDS.operationLogMs + slackMs).length;
          const { retainFromSeq } = log.at(nowMs);
          expect(retainFromSeq).toBeGreaterThanOrEqual(base + 1 + Math.max(from, old(1000)));
          expect(retainFromSeq).toBeLessThanOrEqual(base + 1 + Math.max(from, old(0)));
          expect(log.bytesOf(base + held.length)).toBe(held.at(-1)?.bytes ?? 0);
        }
      }),
    );
  });
});
