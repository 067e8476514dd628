import fc from "fast-check";
import { expect, test } from "vitest";
import { BoundedSelection } from "./bounded-selection.js";

test("the first members in order are kept, however they come", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 50 })), fc.nat(20), (members, count) => {
      const selection = new BoundedSelection(count, (a, b) => a - b);
      for (const member of members) selection.offer(member);
      expect(selection.toSorted()).toEqual(members.toSorted((a, b) => a - b).slice(0, count));
    }),
  );
});
