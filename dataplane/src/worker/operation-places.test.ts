import fc from "fast-check";
import { expect, test } from "vitest";
import { OperationPlaces } from "./operation-places.js";

test("finds what a list searched from its end finds, whatever comes and goes", () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.nat(20).map((id) => ({ add: `op-${id}` })) },
    { weight: 2, arbitrary: fc.constant({ add: undefined }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.nat(1500), (steps, before) => {
      const places = new OperationPlaces();
      const list: { id: string; seq: number }[] = [];
      const add = (id: string): void => {
        const seq = (list.at(-1)?.seq ?? 0) + 1;
        list.push({ id, seq });
        places.add(id, seq, 1000 + seq);
      };
      // Enough to fill what is set aside at first, so that the queue turns around and grows.
      for (let i = 0; i < before; i += 1) add(`before-${i}`);
      for (let i = 0; i < before / 2; i += 1) {
        list.shift();
        places.removeOldest();
      }
      for (const { add: id } of steps) {
        if (id !== undefined) add(id);
        else if (list.length > 0) {
          list.shift();
          places.removeOldest();
        }
      }
      for (let i = 0; i <= 20; i += 1) {
        const wanted = list.filter(({ id }) => id === `op-${i}`).map(({ seq }) => seq);
        expect(places.find(`op-${i}`)).toEqual(wanted.reverse());
      }
      expect(places.size).toBe(list.length);
      const oldest = list.length === 0 ? [] : [places.oldestSeq, places.oldestMs - 1000];
      expect(oldest).toEqual(list.slice(0, 1).flatMap(({ seq }) => [seq, seq]));
    }),
    { numRuns: 50 },
  );
});
