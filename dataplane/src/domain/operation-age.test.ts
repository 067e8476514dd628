import { expect, test } from "vitest";
import { makeUuidV7 } from "./uuid.js";
import { operationAgeProblem, uuidV7TimeMs } from "./operation-age.js";

const MADE_MS = 1_800_000_000_123;
const id = makeUuidV7(MADE_MS, new Uint8Array(10).fill(0xff));

test("a UUIDv7 carries its time, other ids none", () => {
  expect(uuidV7TimeMs(id)).toBe(MADE_MS);
  expect(uuidV7TimeMs("1b4e28ba-2fa1-11d2-883f-0016d3cca427")).toBeUndefined();
  expect(uuidV7TimeMs("order-17")).toBeUndefined();
});

test("an id is refused once it is older than half the window, and never before", () => {
  expect(operationAgeProblem(id, MADE_MS + 300_000, 600_000, 0)).toBeUndefined();
  expect(operationAgeProblem(id, MADE_MS + 300_001, 600_000, 0)?.code).toBe("operationIdReused");
  expect(operationAgeProblem(id, MADE_MS - 3_600_000, 600_000, 0)).toBeUndefined();
  expect(operationAgeProblem("order-17", Number.MAX_SAFE_INTEGER, 600_000, 0)).toBeUndefined();
});

test("an id of a time whose operations may be forgotten is refused", () => {
  expect(operationAgeProblem(id, MADE_MS + 10, 600_000, MADE_MS)).toBeUndefined();
  expect(operationAgeProblem(id, MADE_MS + 10, 600_000, MADE_MS + 1)?.code).toBe("operationIdReused");
});
