import { describe, expect, it } from "vitest";
import type { AllocationId, HistoryId, NodeId, ShardMap, ShardUid } from "../cluster-map.js";
import type { CopyEffect, CopyEvent, CopyMessage, MessageBody, WantedRead } from "./event.js";
import { emptyCopy, ShardCopy } from "./shard-copy.js";

const SHARD = "s" as ShardUid;
const HISTORY = "h" as HistoryId;
const [A, B, C] = ["a", "b", "c"] as [AllocationId, AllocationId, AllocationId];
const SETTINGS = {
  minReplicasForWrite: 1,
  replicaTimeoutMs: 1000,
  slowReplicaTimeoutMs: 10_000,
  windowEntries: 100,
  maxPendingEntries: 100,
};
const STRONG: WantedRead = { level: "strong" };

type Timeless = CopyEvent extends infer E ? (E extends { nowMs: number } ? Omit<E, "nowMs"> : never) : never;

/** A copy whose disk completes at once; keeps what it sends. */
class Bench {
  readonly copy: ShardCopy;
  nowMs = 1000;
  #nextRead = 1;

  constructor(allocationId: AllocationId, snapshotPrefix = "boot-1") {
    this.copy = new ShardCopy(emptyCopy(SHARD, allocationId, HISTORY), SETTINGS, { snapshotPrefix });
  }

  step(event: Timeless): CopyEffect[] {
    const effects = this.copy.step({ ...event, nowMs: this.nowMs });
    return effects.flatMap((effect) =>
      effect.kind === "persist"
        ? [effect, ...this.step({ kind: "persisted", ticket: effect.ticket })]
        : [effect],
    );
  }

  receive(from: AllocationId, term: number, body: MessageBody, historyId = HISTORY): CopyEffect[] {
    const { allocationId: to } = this.copy.view(this.nowMs);
    return this.step({ kind: "message", message: { shardUid: SHARD, historyId, from, to, term, body } });
  }

  read(wanted: WantedRead = STRONG): { readonly id: number; readonly effects: CopyEffect[] } {
    const id = this.#nextRead++;
    return { id, effects: this.step({ kind: "read", readId: id, wanted }) };
  }

  tick(): CopyEffect[] {
    return this.step({ kind: "tick", retainFromSeq: 0 });
  }

  /** Confirms the no-op and all else for these copies. */
  confirm(...copies: AllocationId[]): CopyEffect[] {
    const { lastSeq, globalCheckpoint, term } = this.copy.view(this.nowMs);
    return copies.flatMap((copy) =>
      this.receive(copy, term, { kind: "replicateOk", confirmed: lastSeq, globalCheckpoint }),
    );
  }
}

function map(change: Partial<ShardMap>): ShardMap {
  return {
    uid: SHARD,
    collectionUid: "c",
    number: 0,
    version: 1,
    term: 1,
    historyId: HISTORY,
    primary: A,
    inSync: [A, B],
    recovering: [],
    copies: [A, B, C].map((id) => ({ id, node: `node-${id}` as NodeId, zone: id })),
    bootstrap: "",
    ...change,
  };
}

/** Primary of term 1 whose no-op is committed. */
function readyPrimary(change: Partial<ShardMap> = {}): Bench {
  const bench = new Bench(A);
  const record = map(change);
  bench.step({ kind: "map", map: record });
  bench.confirm(...record.inSync.filter((id) => id !== A));
  expect(bench.copy.view(bench.nowMs).ready).toBe(true);
  return bench;
}

interface Sent {
  readonly to: AllocationId;
  readonly nonce: string;
}

function sent(effects: readonly CopyEffect[], kind: MessageBody["kind"]): CopyMessage[] {
  return effects.flatMap((effect) =>
    effect.kind === "send" && effect.message.body.kind === kind ? [effect.message] : [],
  );
}

function checks(effects: readonly CopyEffect[]): Sent[] {
  return sent(effects, "termCheck").map(({ to, body }) => ({ to, nonce: (body as { nonce: string }).nonce }));
}

/** "1@4": read 1 may be answered from seq 4 on; "1 notPrimary": it is refused. */
function verdicts(effects: readonly CopyEffect[]): string[] {
  return effects.flatMap((effect) => {
    if (effect.kind === "readReady") return [`${effect.readId}@${effect.atLeastSeq}`];
    return effect.kind === "readRefused" ? [`${effect.readId} ${effect.reason}`] : [];
  });
}

const ok = (nonce: string): MessageBody => ({ kind: "termCheckOk", nonce });
const WRITE: Timeless = {
  kind: "write",
  entries: [{ operationId: "w", body: { kind: "delete", id: "d" }, result: "deleted" }],
};

describe("a strong read", () => {
  it("is answered once every copy that is waited for has confirmed the term after the read came", () => {
    const bench = readyPrimary({ inSync: [A, B, C] });
    const { effects } = bench.read();
    expect(checks(effects).map(({ to }) => to)).toEqual([B, C]);
    const { nonce } = checks(effects)[0]!;
    expect(verdicts(effects)).toEqual([]);
    expect(verdicts(bench.receive(B, 1, ok(nonce)))).toEqual([]);
    expect(verdicts(bench.receive(C, 1, ok(nonce)))).toEqual(["1@1"]);
  });

  it("waits for the commit of the term's no-op: what was acknowledged before may still be above the checkpoint", () => {
    const bench = new Bench(A);
    bench.step({ kind: "map", map: map({}) });
    const early = bench.read();
    expect(checks(early.effects)).toEqual([]);
    const round = checks(bench.confirm(B))[0]!;
    expect(verdicts(bench.receive(B, 1, ok(round.nonce)))).toEqual(["1@1"]);
  });

  it("shows what was committed while its round ran", () => {
    const bench = readyPrimary();
    const { nonce } = checks(bench.read().effects)[0]!;
    bench.step(WRITE);
    bench.confirm(B);
    expect(verdicts(bench.receive(B, 1, ok(nonce)))).toEqual(["1@2"]);
  });

  it("that comes while a round runs waits for the next, however close they are", () => {
    const bench = readyPrimary();
    const first = checks(bench.read().effects)[0]!;
    expect(checks(bench.read().effects)).toEqual([]);
    const effects = bench.receive(B, 1, ok(first.nonce));
    expect(verdicts(effects)).toEqual(["1@1"]);
    const second = checks(effects)[0]!;
    expect(verdicts(bench.receive(B, 1, ok(second.nonce)))).toEqual(["2@1"]);
  });

  it("shares its round with others that came before the round began", () => {
    const bench = new Bench(A);
    bench.step({ kind: "map", map: map({}) });
    bench.read();
    bench.read();
    const round = checks(bench.confirm(B));
    expect(round).toHaveLength(1);
    expect(verdicts(bench.receive(B, 1, ok(round[0]!.nonce)))).toEqual(["1@1", "2@1"]);
  });

  it("is not helped by a doubled answer to an earlier round", () => {
    const bench = readyPrimary();
    const first = checks(bench.read().effects)[0]!;
    bench.receive(B, 1, ok(first.nonce));
    bench.read();
    expect(verdicts(bench.receive(B, 1, ok(first.nonce)))).toEqual([]);
  });

  it("asks with other nonces after a restart", () => {
    const before = readyPrimary();
    const nonce = checks(before.read().effects)[0]!.nonce;
    const after = new Bench(A, "boot-2");
    after.step({ kind: "map", map: map({}) });
    after.confirm(B);
    expect(checks(after.read().effects)[0]!.nonce).not.toBe(nonce);
  });

  it("asks a copy that is joining: it may be stored, and promoted, before the primary hears of it", () => {
    const bench = readyPrimary({ recovering: [C] });
    bench.confirm(C);
    const { effects } = bench.read();
    expect(checks(effects).map(({ to }) => to)).toEqual([B, C]);
    const { nonce } = checks(effects)[0]!;
    expect(verdicts(bench.receive(B, 1, ok(nonce)))).toEqual([]);
    expect(verdicts(bench.receive(C, 1, ok(nonce)))).toEqual(["1@1"]);
  });

  it("waits for a copy whose removal is asked until a map of the term shows it gone", () => {
    const bench = readyPrimary({ inSync: [A, B, C] });
    bench.step({ kind: "disconnected", copy: C });
    const { effects } = bench.read();
    expect(checks(effects).map(({ to }) => to)).toEqual([B, C]);
    expect(verdicts(bench.receive(B, 1, ok(checks(effects)[0]!.nonce)))).toEqual([]);
    expect(bench.copy.readsWaitFor()).toEqual([C]);
    const gone = bench.step({ kind: "map", map: map({ version: 2, inSync: [A, B] }) });
    expect(verdicts(gone)).toEqual(["1@1"]);
  });

  it("is not answered while the role is being handed over, and is after all when the hand-off is given up", () => {
    const bench = readyPrimary();
    const { nonce } = checks(bench.read().effects)[0]!;
    bench.step({ kind: "handOff", target: B });
    expect(verdicts(bench.receive(B, 1, ok(nonce)))).toEqual([]);
    expect(verdicts(bench.read().effects)).toEqual([]);
    const resumed = bench.step({ kind: "handOff", target: undefined });
    expect(verdicts(resumed)).toEqual(["1@1"]);
    expect(verdicts(bench.receive(B, 1, ok(checks(resumed)[0]!.nonce)))).toEqual(["2@1"]);
  });

  it("is refused when the copy meets a higher term during the round", () => {
    const bench = readyPrimary({ inSync: [A, B, C] });
    const { nonce } = checks(bench.read().effects)[0]!;
    bench.receive(B, 1, ok(nonce));
    expect(verdicts(bench.receive(C, 2, { kind: "higherTerm" }))).toEqual(["1 notPrimary"]);
    expect(verdicts(bench.receive(C, 1, ok(nonce)))).toEqual([]);
  });

  it("takes a round of the new term when its copy is promoted again meanwhile", () => {
    const bench = readyPrimary();
    const old = checks(bench.read().effects)[0]!;
    const promoted = bench.step({ kind: "map", map: map({ version: 2, term: 2 }) });
    expect(verdicts(promoted)).toEqual([]);
    expect(verdicts(bench.receive(B, 2, ok(old.nonce)))).toEqual([]);
    const fresh = checks(bench.confirm(B))[0]!;
    expect(verdicts(bench.receive(B, 2, ok(fresh.nonce)))).toEqual(["1@2"]);
  });

  it("is refused by a replica", () => {
    const bench = new Bench(B);
    bench.step({ kind: "map", map: map({}) });
    expect(verdicts(bench.read().effects)).toEqual(["1 notPrimary"]);
  });

  it("needs no answer of others where nobody else could be promoted, but the committed no-op", () => {
    const alone = readyPrimary({ inSync: [A] });
    expect(verdicts(alone.read().effects)).toEqual(["1@1"]);
    const bench = new Bench(A);
    const started = bench.copy.step({ kind: "map", map: map({ inSync: [A] }), nowMs: 1 });
    expect(verdicts(bench.copy.step({ kind: "read", readId: 7, wanted: STRONG, nowMs: 1 }))).toEqual([]);
    const persist = started.find((effect) => effect.kind === "persist");
    const durable = bench.copy.step({ kind: "persisted", ticket: persist!.ticket, nowMs: 1 });
    expect(verdicts(durable)).toEqual(["7@1"]);
  });

  it("repeats checks that are not answered", () => {
    const bench = readyPrimary({ inSync: [A, B, C] });
    const { nonce } = checks(bench.read().effects)[0]!;
    bench.receive(B, 1, ok(nonce));
    expect(checks(bench.tick())).toEqual([]);
    bench.nowMs += 300;
    expect(checks(bench.tick())).toEqual([{ to: C, nonce }]);
  });

  it("that nobody waits for any more does not keep later ones waiting", () => {
    const bench = readyPrimary();
    const { id } = bench.read();
    bench.read();
    const next = checks(bench.step({ kind: "readGivenUp", readId: id }));
    expect(next).toHaveLength(1);
    expect(verdicts(bench.receive(B, 1, ok(next[0]!.nonce)))).toEqual(["2@1"]);
  });
});

describe("a term check", () => {
  it("is answered in the receiver's own term", () => {
    const bench = new Bench(B);
    bench.step({ kind: "map", map: map({}) });
    expect(sent(bench.receive(A, 1, { kind: "termCheck", nonce: "n" }), "termCheckOk")).toMatchObject([
      { to: A, term: 1, body: { nonce: "n" } },
    ]);
  });

  it("of an earlier term is answered by the higher term and nothing else", () => {
    const bench = new Bench(B);
    bench.step({ kind: "map", map: map({ term: 3, version: 3, primary: C, inSync: [B, C] }) });
    const effects = bench.receive(A, 1, { kind: "termCheck", nonce: "n" });
    expect(sent(effects, "termCheckOk")).toEqual([]);
    expect(sent(effects, "higherTerm")).toMatchObject([{ to: A, term: 3 }]);
  });

  it("of another history is not answered", () => {
    const bench = new Bench(B);
    bench.step({ kind: "map", map: map({}) });
    const effects = bench.receive(A, 1, { kind: "termCheck", nonce: "n" }, "other" as HistoryId);
    expect(sent(effects, "termCheckOk")).toEqual([]);
  });
});

describe("a bounded read", () => {
  const within = (maxStalenessMs: number): WantedRead => ({ level: "bounded", maxStalenessMs });

  it("on the primary takes a round that is recent enough, else a new one", () => {
    const bench = readyPrimary();
    const first = checks(bench.read(within(100)).effects)[0]!;
    expect(verdicts(bench.receive(B, 1, ok(first.nonce)))).toEqual(["1@1"]);
    bench.nowMs += 99;
    expect(verdicts(bench.read(within(100)).effects)).toEqual(["2@1"]);
    bench.nowMs += 1;
    const late = bench.read(within(100));
    expect(verdicts(late.effects)).toEqual([]);
    expect(verdicts(bench.receive(B, 1, ok(checks(late.effects)[0]!.nonce)))).toEqual(["3@1"]);
  });

  it("on a primary does not take what was heard in an earlier term", () => {
    const bench = readyPrimary();
    bench.receive(B, 1, ok(checks(bench.read().effects)[0]!.nonce));
    bench.step({ kind: "map", map: map({ version: 2, term: 2 }) });
    bench.confirm(B);
    expect(verdicts(bench.read(within(60_000)).effects)).toEqual([]);
  });

  /** Replica B of term 1. */
  function replica(): Bench {
    const bench = new Bench(B);
    bench.step({ kind: "map", map: map({}) });
    return bench;
  }

  function question(effects: readonly CopyEffect[]): Sent & { readonly maxAgeMs: number } {
    const [message] = sent(effects, "freshnessAsk");
    const { nonce, maxAgeMs } = message!.body as Extract<MessageBody, { kind: "freshnessAsk" }>;
    return { to: message!.to, nonce, maxAgeMs };
  }

  const fresh = (nonce: string, ageMs: number, globalCheckpoint: number): MessageBody => ({
    kind: "freshness",
    nonce,
    ageMs,
    globalCheckpoint,
  });

  it("on a replica asks the primary, and waits for the checkpoint that it tells", () => {
    const bench = replica();
    const asked = question(bench.read(within(500)).effects);
    expect(asked).toMatchObject({ to: A, maxAgeMs: 500 });
    expect(verdicts(bench.receive(A, 1, fresh(asked.nonce, 0, 7)))).toEqual(["1@7"]);
    bench.nowMs += 499;
    expect(verdicts(bench.read(within(500)).effects)).toEqual(["2@7"]);
    bench.nowMs += 1;
    expect(verdicts(bench.read(within(500)).effects)).toEqual([]);
  });

  it("counts the age of an answer from when the question was asked, so that one that lay about is not fresh", () => {
    const bench = replica();
    const asked = question(bench.read(within(500)).effects);
    bench.nowMs += 10_000;
    const late = bench.read(within(500));
    expect(sent(late.effects, "freshnessAsk")).toEqual([]);
    const effects = bench.receive(A, 1, fresh(asked.nonce, 0, 7));
    expect(verdicts(effects)).toEqual(["1@7"]);
    expect(verdicts(bench.receive(A, 1, fresh(question(effects).nonce, 0, 8)))).toEqual(["2@8"]);
  });

  it("is not answered by an answer that is too old, nor by one to another question", () => {
    const bench = replica();
    const asked = question(bench.read(within(500)).effects);
    expect(verdicts(bench.receive(A, 1, fresh("other", 0, 9)))).toEqual([]);
    const again = bench.receive(A, 1, fresh(asked.nonce, 500, 7));
    expect(verdicts(again)).toEqual([]);
    expect(question(again).nonce).not.toBe(asked.nonce);
  });

  it("asks the next primary when the first says nothing", () => {
    const bench = replica();
    bench.read(within(500));
    bench.step({ kind: "map", map: map({ version: 2, term: 2, primary: C, inSync: [A, B, C] }) });
    bench.nowMs += 300;
    expect(question(bench.tick()).to).toBe(C);
  });

  it("has a replica's question answered by a round that began after it came, with age 0", () => {
    const bench = readyPrimary();
    const effects = bench.receive(B, 1, { kind: "freshnessAsk", nonce: "q", maxAgeMs: 200 });
    const { nonce } = checks(effects)[0]!;
    bench.nowMs += 150;
    const answer = sent(bench.receive(B, 1, ok(nonce)), "freshness");
    expect(answer).toMatchObject([{ to: B, body: fresh("q", 0, 1) }]);
    const cached = sent(
      bench.receive(B, 1, { kind: "freshnessAsk", nonce: "r", maxAgeMs: 200 }),
      "freshness",
    );
    expect(cached).toMatchObject([{ body: fresh("r", 150, 1) }]);
  });

  it("has a replica's question left alone by a copy that is no longer primary", () => {
    const bench = readyPrimary();
    bench.receive(B, 1, { kind: "freshnessAsk", nonce: "q", maxAgeMs: 200 });
    const effects = bench.receive(C, 2, { kind: "higherTerm" });
    expect(sent(effects, "freshness")).toEqual([]);
    expect(
      sent(bench.receive(B, 2, { kind: "freshnessAsk", nonce: "q", maxAgeMs: 200 }), "freshness"),
    ).toEqual([]);
  });
});
