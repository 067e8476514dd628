import { describe, expect, test } from "vitest";
import { isConditionTrue, withCondition, withoutCondition, type Condition } from "./conditions.js";

const T0 = Date.UTC(2026, 0, 1, 0, 0, 0, 123);
const ready = { type: "Ready", reason: "AllGood", message: "", observedGeneration: 1 };
const isTrue = { ...ready, status: "True" as const };
const isFalse = { ...ready, status: "False" as const };

describe("conditions", () => {
  test("the time changes with the status alone", () => {
    let list: readonly Condition[] = withCondition([], isTrue, T0);
    expect(list[0]?.lastTransitionTime).toBe("2026-01-01T00:00:00Z");
    list = withCondition(list, { ...isTrue, message: "still", observedGeneration: 2 }, T0 + 60_000);
    expect(list[0]).toMatchObject({ message: "still", lastTransitionTime: "2026-01-01T00:00:00Z" });
    list = withCondition(list, { ...isFalse, observedGeneration: 2 }, T0 + 120_000);
    expect(list[0]?.lastTransitionTime).toBe("2026-01-01T00:02:00Z");
  });

  test("the list is the same one when nothing changed, so that nothing is written", () => {
    const list = withCondition([], isTrue, T0);
    expect(withCondition(list, isTrue, T0 + 60_000)).toBe(list);
    expect(withoutCondition(list, "Other")).toBe(list);
    expect(withoutCondition(list, "Ready")).toEqual([]);
  });

  test("each keeps its place, and a late word on an earlier generation changes nothing", () => {
    const other = { ...isTrue, type: "Other", observedGeneration: 3 };
    const list = withCondition(withCondition([], isTrue, T0), other, T0);
    expect(withCondition(list, isFalse, T0).map(({ type }) => type)).toEqual(["Ready", "Other"]);
    expect(withCondition(list, { ...other, status: "False", observedGeneration: 2 }, T0)).toBe(list);
  });

  test("what was true of an earlier generation is not yet true of this one", () => {
    const list = withCondition([], isTrue, T0);
    expect([isConditionTrue(list, "Ready", 1), isConditionTrue(list, "Ready", 2)]).toEqual([true, false]);
  });
});
