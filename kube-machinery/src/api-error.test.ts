import { describe, expect, test } from "vitest";
import { apiErrorOf } from "./api-error.js";

const status = (fields: object): string => JSON.stringify({ kind: "Status", ...fields });

describe("errors of the API server", () => {
  test("carry the reason, the message and the causes of the answer's body", () => {
    const body = status({
      code: 429,
      reason: "TooManyRequests",
      message: "Cannot evict pod",
      details: { causes: [{ reason: "DisruptionBudget" }, {}] },
    });
    const error = apiErrorOf(429, body);
    expect(error).toMatchObject({ status: 429, reason: "TooManyRequests", causes: ["DisruptionBudget"] });
    expect(error.message).toBe("Cannot evict pod");
    expect(error.retryAfterMs).toBeUndefined();
  });

  test("say when to come back, by the header first", () => {
    const body = status({ details: { retryAfterSeconds: 7 } });
    expect(apiErrorOf(429, body).retryAfterMs).toBe(7_000);
    expect(apiErrorOf(429, body, "2").retryAfterMs).toBe(2_000);
    expect(apiErrorOf(429, "", "Wed, 21 Oct 2026 07:28:00 GMT").retryAfterMs).toBeUndefined();
  });

  test("of something in between that is no API server are told as it said them", () => {
    const error = apiErrorOf(502, "<html>bad gateway</html>");
    expect(error).toMatchObject({ status: 502, reason: "InternalError" });
    expect(error.message).toContain("bad gateway");
    expect(apiErrorOf(410, "null").isExpired).toBe(true);
  });

  test("of a name that is taken are no conflict to be tried again", () => {
    expect(apiErrorOf(409, status({ reason: "AlreadyExists" }))).toMatchObject({
      isAlreadyExists: true,
      isConflict: false,
    });
    expect(apiErrorOf(409, status({ reason: "Conflict" }))).toMatchObject({
      isAlreadyExists: false,
      isConflict: true,
    });
  });
});
