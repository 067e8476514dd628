import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { planRecordRebuild, type LostRecord, type RecordProof } from "./plan-record-rebuild.js";
import { LostRecordWorld, type StepKind } from "./testing/lost-record-world.js";
import type { AllocationId, HistoryId, NodeId, ShardUid } from "./shard-record.js";

const [A, B, C] = ["a", "b", "c"] as [AllocationId, AllocationId, AllocationId];
const KEPT = {
  uid: "s1" as ShardUid,
  version: 9,
  term: 4,
  historyId: "h1" as HistoryId,
  primary: B,
  inSync: [A, B],
  recovering: [C],
  copies: [A, B, C].map((id) => ({ id, node: `node-${id}` as NodeId, zone: id })),
};

function proof(copy: AllocationId, change: Partial<RecordProof> = {}): RecordProof {
  const historyId = KEPT.historyId;
  return {
    node: `node-${copy}` as NodeId,
    copy,
    term: 4,
    historyId,
    failure: undefined,
    kept: KEPT,
    isCurrent: true,
    ...change,
  };
}

function lost(proofs: readonly RecordProof[], change: Partial<LostRecord> = {}): LostRecord {
  return {
    stored: undefined,
    highestVersion: 0,
    proofs,
    givenUp: new Set(),
    nameOf: (node) => node,
    nowMs: 77,
    ...change,
  };
}

const ALL = [proof(A), proof(B), proof(C)];

function missing(observed: LostRecord): string {
  const plan = planRecordRebuild(observed);
  return plan.kind === "refuse" ? plan.missing.join("; ") : "rebuilt";
}

describe("a lost record", () => {
  test("is made again when all copies that it named agree: same set, same primary, a new term, far newer", () => {
    const plan = planRecordRebuild(lost(ALL));
    expect(plan).toMatchObject({
      kind: "rebuild",
      record: {
        uid: "s1",
        term: 1004,
        historyId: "h1",
        primary: B,
        inSync: [A, B],
        recovering: [],
        bootstrap: "",
        lastChange: { reason: "ShardRecordRebuilt", at: 77 },
      },
    });
    if (plan.kind !== "rebuild") return;
    expect(plan.record.version).toBeGreaterThan(KEPT.version + 1000);
    // A recovering copy comes back under a new id.
    expect(plan.record.copies.map(({ id }) => id)).toEqual([A, B]);
  });

  test("is made again although some were away when the last change was told", () => {
    const before = { ...KEPT, version: 8, primary: A, term: 3 };
    const proofs = [proof(A, { kept: before, term: 3 }), proof(B), proof(C, { kept: before, term: 3 })];
    expect(planRecordRebuild(lost(proofs))).toMatchObject({
      kind: "rebuild",
      record: { primary: B, term: 1004 },
    });
  });

  test("is newer than what stands in its place", () => {
    const plan = planRecordRebuild(lost(ALL, { stored: { version: 3, term: 7 } }));
    expect(plan).toMatchObject({ kind: "rebuild", record: { term: 1007 } });
  });

  test("is newer than every version that it is on record to have had, and it is said which no node knows", () => {
    const plan = planRecordRebuild(lost(ALL, { highestVersion: 5_000_000 }));
    expect(plan).toMatchObject({ kind: "rebuild", record: { version: 6_000_000 } });
    const unheard = missing(lost([proof(A)], { highestVersion: 12 }));
    expect(unheard).toMatch(/the record was of version 12, which no node that answers was given/);
    expect(missing(lost([], { highestVersion: 12 }))).toMatch(
      /no node reports .*; the record was of version 12/,
    );
  });

  test("is led by a sound copy when its primary has failed", () => {
    const proofs = [proof(A), proof(B, { failure: "CopyFailed" }), proof(C)];
    expect(planRecordRebuild(lost(proofs))).toMatchObject({ kind: "rebuild", record: { primary: A } });
  });

  const older = { ...KEPT, version: 8 };
  const newer = { ...KEPT, version: 10, inSync: [A, B, "d" as AllocationId] };
  test.each([
    ["nobody reports anything", lost([]), /no node reports/],
    ["an in-sync copy is not heard of", lost([proof(A), proof(C)]), /copy b on node-b is not heard of/],
    ["a recovering copy is not heard of", lost([proof(A), proof(B)]), /copy c on node-c is not heard of/],
    [
      "a copy may still be told something newer",
      lost([proof(A), proof(B, { isCurrent: false }), proof(C)]),
      /copy b on node-b has not confirmed the newest map/,
    ],
    [
      "a newer one that some copy knows names a copy that is not heard of",
      lost([proof(A), proof(B), proof(C, { kept: newer })]),
      /copy d on an unknown node is not heard of/,
    ],
    ["a copy knows of a higher term", lost([proof(A), proof(B), proof(C, { term: 5 })]), /term 5 was begun/],
    [
      "a copy is in another history",
      lost([proof(A, { historyId: "h0" as HistoryId }), proof(B), proof(C)]),
      /copy a .* another history/,
    ],
    [
      "its history was given up",
      lost(ALL, { givenUp: new Set([KEPT.historyId]) }),
      /given up by a forced reset/,
    ],
    ["it is there", lost(ALL, { stored: { version: 9, term: 4 } }), /not older/],
    [
      "two records of one version were given out",
      lost([proof(A), proof(B), proof(C, { kept: { ...KEPT, primary: A } })]),
      /two records of version 9/,
    ],
    [
      "there is data of two such shards",
      lost([...ALL, proof(A, { kept: { ...older, uid: "s2" as ShardUid } })]),
      /two such shards/,
    ],
  ])("is not made again when %s", (_why, observed, reason) => {
    expect(missing(observed)).toMatch(reason);
  });
});

interface Life {
  readonly choices: readonly number[];
  readonly steps: number;
  readonly first: readonly StepKind[];
}

/** Plays a shard's life, the first steps as told, and then loses its record. */
function played({ choices, steps, first }: Life): LostRecordWorld {
  let at = 0;
  const world = new LostRecordWorld((count) => (choices[at++ % choices.length] ?? 0) % count);
  for (const kind of first) world.step(kind);
  for (let step = first.length; step < steps; step += 1) world.step();
  return world;
}

/** A copy joins, is promoted alone, and is away when the record is lost: by chance that hardly ever comes together. */
const JOINED_UNHEARD: readonly StepKind[] = [
  "addRecovering",
  ...Array.from({ length: 12 }, () => "deliver" as const),
  "askToJoin",
  "follow",
  "promote",
  "deliver",
  "write",
  "write",
  "toggleAway",
];

const choices = fc.array(fc.nat(1_000_003), { minLength: 40, maxLength: 160 });
const lives = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({ choices, steps: fc.integer({ min: 5, max: 70 }), first: fc.constant([]) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ choices, steps: fc.constant(0), first: fc.constant(JOINED_UNHEARD) }),
  },
);

/** What the rule would be without one of its checks. */
type Weakening = (observed: LostRecord) => LostRecord;

function losses(runs: number, weaken: Weakening = (observed) => observed): { rebuilt: number; lost: number } {
  const seen = { rebuilt: 0, lost: 0 };
  fc.assert(
    fc.property(lives, (life) => {
      const world = played(life);
      const plan = planRecordRebuild(weaken(world.lost()));
      if (plan.kind !== "rebuild") return;
      seen.rebuilt += 1;
      if (world.lostBy(plan.record).length > 0) seen.lost += 1;
    }),
    { numRuns: runs, seed: 20_261 },
  );
  return seen;
}

/** All copies that are named and not heard of are taken to agree. */
const silenceIsAgreement: Weakening = (observed) => {
  const newest = observed.proofs.toSorted((a, b) => b.kept.version - a.kept.version)[0]?.kept;
  if (newest === undefined) return observed;
  const heard = observed.proofs.map(({ copy }) => copy);
  const named = [...newest.inSync, ...newest.recovering].filter((id) => !heard.includes(id));
  const invented = named.map((copy) =>
    proof(copy, { kept: newest, term: newest.term, historyId: newest.historyId }),
  );
  return { ...observed, proofs: [...observed.proofs, ...invented] };
};

const recoveringDoNotCount: Weakening = (observed) => {
  const strip = (one: RecordProof): RecordProof => ({ ...one, kept: { ...one.kept, recovering: [] } });
  return { ...observed, proofs: observed.proofs.map(strip) };
};

describe("a record that was lost in the middle of a shard's life", () => {
  test("takes no acknowledged write along when it is made again", () => {
    const { rebuilt, lost: gone } = losses(4000);
    expect(gone).toBe(0);
    // Else nothing was shown.
    expect(rebuilt).toBeGreaterThan(300);
  });

  test.each([
    ["copies that are silent were taken to agree", silenceIsAgreement],
    ["recovering copies were not asked", recoveringDoNotCount],
    [
      "histories that were given up were forgotten",
      (observed: LostRecord) => ({ ...observed, givenUp: new Set<HistoryId>() }),
    ],
  ])("would take some along if %s", (_what, weaken) => {
    expect(losses(60_000, weaken).lost).toBeGreaterThan(0);
  });
});
