import { describe, expect, test } from "vitest";
import { Acknowledgements } from "./acknowledgements.js";

describe("the gap around a fault", () => {
  test("lasts to the first answer to what was sent after it: a late answer to an earlier write proves nothing", () => {
    const list = new Acknowledgements();
    list.add(1, 3);
    list.add(4, 6);
    list.add(8, 12);
    list.add(11, 40);
    list.add(41, 44);
    expect(list.gapAt(10)).toEqual({ lastBeforeMs: 6, firstAfterMs: 40, longestMs: 28 });
  });

  test("has no end as long as nothing sent after the fault is answered", () => {
    const list = new Acknowledgements();
    list.add(1, 3);
    expect(list.gapAt(10)).toEqual({ lastBeforeMs: 3, firstAfterMs: undefined, longestMs: 0 });
  });

  test("begins with the last answer before the fault, also when earlier ones are forgotten", () => {
    const list = new Acknowledgements();
    list.add(1, 3);
    list.add(4, 6);
    list.forget();
    list.add(21, 25);
    expect(list.gapAt(20)).toEqual({ lastBeforeMs: 6, firstAfterMs: 25, longestMs: 19 });
  });
});
