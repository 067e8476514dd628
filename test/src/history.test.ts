import { describe, expect, test } from "vitest";
import { History, type FoundDocument, type Operation, type OperationKind, type Outcome } from "./history.js";
import { seededRandom } from "./seeded-random.js";

const acknowledged = (result: string, version = "1.1"): Outcome => ({
  kind: "acknowledged",
  result,
  version,
});

function history(...operations: readonly (readonly [OperationKind, number, Outcome])[]): History {
  const made = new History();
  for (const [kind, counter, outcome] of operations) made.add({ id: "a", kind, counter, outcome, tookMs: 1 });
  return made;
}

function found(value: string, version = "1.1"): Map<string, FoundDocument> {
  return new Map([["a", { value, version }]]);
}

const kinds = (made: History, documents: ReadonlyMap<string, FoundDocument>): string[] =>
  made.check(documents).map(({ kind }) => kind);

describe("the check of a history", () => {
  test("accepts what the last acknowledged write left", () => {
    const made = history(
      ["put", 1, acknowledged("created", "1.1")],
      ["patch", 2, acknowledged("updated", "1.2")],
    );
    expect(made.check(found("1/2", "1.2"))).toEqual([]);
    const deleted = history(["put", 1, acknowledged("created")], ["delete", 2, acknowledged("deleted")]);
    expect(deleted.check(new Map())).toEqual([]);
  });

  test("reports an acknowledged write that is gone, whole or in part", () => {
    const made = history(
      ["put", 1, acknowledged("created", "1.1")],
      ["patch", 2, acknowledged("updated", "1.2")],
    );
    expect(kinds(made, new Map())).toEqual(["lost"]);
    expect(kinds(made, found("1/-", "1.1"))).toEqual(["lost"]);
  });

  test("reports a deleted document that came back, and one that nobody wrote", () => {
    const made = history(["put", 1, acknowledged("created")], ["delete", 2, acknowledged("deleted", "1.2")]);
    expect(kinds(made, found("1/-"))).toEqual(["lost"]);
    expect(kinds(new History(), found("1/-"))).toEqual(["phantom"]);
  });

  test("reports the right value under another version than the acknowledged one", () => {
    const made = history(["put", 1, acknowledged("created", "2.7")]);
    expect(made.check(found("1/-", "2.7"))).toEqual([]);
    expect(kinds(made, found("1/-", "1.7"))).toEqual(["lost"]);
  });

  test("takes an unknown outcome either way, and no third one", () => {
    const made = history(
      ["put", 1, acknowledged("created", "1.1")],
      ["put", 2, { kind: "unknown", code: "outcomeUnknown" }],
    );
    expect(made.check(found("1/-", "1.1"))).toEqual([]);
    expect(made.check(found("2/-", "1.5"))).toEqual([]);
    expect(kinds(made, new Map())).toEqual(["lost"]);
  });

  test("reports a refused write that ran all the same", () => {
    const made = history(
      ["put", 1, acknowledged("created", "1.1")],
      ["put", 2, { kind: "refused", code: "noPrimary" }],
    );
    expect(kinds(made, found("2/-", "1.2"))).toEqual(["phantom"]);
  });

  test("reports an answer that no state explains: an operation that ran twice, a read that is old", () => {
    const twice = history(
      ["create", 1, acknowledged("created", "1.1")],
      ["create", 2, acknowledged("created", "1.2")],
    );
    expect(kinds(twice, found("2/-", "1.2"))).toEqual(["unexplained"]);
    const stale = history(
      ["put", 1, acknowledged("created", "1.1")],
      ["put", 2, acknowledged("updated", "1.2")],
      ["read", 0, { kind: "found", value: "1/-" }],
    );
    expect(kinds(stale, found("2/-", "1.2"))).toContain("stale");
  });

  test("refuses to judge an id that was written after an unknown outcome", () => {
    const made = history(
      ["put", 1, { kind: "unknown", code: "timeout" }],
      ["put", 2, acknowledged("created")],
    );
    expect(() => made.check(new Map())).toThrow("can't be checked");
  });

  test("finds every loss planted into the documents of long random histories", () => {
    const random = seededRandom(7);
    for (let round = 0; round < 200; round += 1) {
      const { made, documents } = randomHistory(random.fork(String(round)));
      expect(made.check(documents)).toEqual([]);
      const id = random.pick([...documents.keys()]);
      const before = documents.get(id)!;
      if (random.chance(0.5)) documents.delete(id);
      else documents.set(id, { value: `${before.value}0`, version: before.version });
      expect(made.check(documents).map((violation) => violation.id)).toEqual([id]);
    }
  });
});

/** Runs random operations on a map, as a cluster that loses nothing would. */
function randomHistory(random: ReturnType<typeof seededRandom>) {
  const made = new History();
  const documents = new Map<string, FoundDocument>();
  for (let counter = 1; counter <= 60 || documents.size === 0; counter += 1) {
    const id = `id-${random.integer(0, 7)}`;
    const kind = random.pick(["put", "create", "patch", "delete"] as const);
    const before = documents.get(id);
    const version = `1.${counter}`;
    const record = (outcome: Outcome): void => {
      const operation: Operation = { id, kind, counter, outcome, tookMs: 1 };
      made.add(operation);
    };
    if (kind === "create" && before) record({ kind: "refused", code: "documentExists" });
    else if (kind === "patch" && !before) record({ kind: "refused", code: "documentNotFound" });
    else if (kind === "delete") {
      record(acknowledged(before ? "deleted" : "unchanged", version));
      documents.delete(id);
    } else {
      const value = kind === "patch" ? `${before?.value?.split("/")[0]}/${counter}` : `${counter}/-`;
      documents.set(id, { value, version });
      record(acknowledged(before ? "updated" : "created", version));
    }
  }
  return { made, documents };
}
