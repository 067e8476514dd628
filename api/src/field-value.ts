/** Single values of dates and numbers: what a field takes from documents and compares with in filters. */
import { LARGEST_DATE_MS, parseDate } from "./date.js";
import type { ProblemCode } from "./problem-code.js";

export interface WrongValue {
  readonly code: ProblemCode;
  readonly detail: string;
}

export function wrongValue(detail: string, code: ProblemCode = "wrongFieldType"): WrongValue {
  return { code, detail };
}

export function describeWrongDate(value: unknown): WrongValue | undefined {
  if (typeof value === "string") {
    if (parseDate(value) !== undefined) return undefined;
    return wrongValue(
      `${JSON.stringify(value.slice(0, 64))} is no date; write 2024-05-17 or 2024-05-17T08:30:00Z`,
    );
  }
  if (typeof value !== "number") return wrongValue("the value must be a date");
  if (!Number.isFinite(value)) return wrongValue(`${value} is not finite`, "notFinite");
  const valid = Number.isInteger(value) && Math.abs(value) <= LARGEST_DATE_MS;
  return valid ? undefined : wrongValue(`${value} is no time in whole milliseconds since 1970`);
}

export function describeWrongNumber(
  type: "integer" | "long" | "float",
  value: unknown,
): WrongValue | undefined {
  if (typeof value !== "number") return wrongValue("the value must be a number");
  if (!Number.isFinite(value)) return wrongValue(`${value} is not finite`, "notFinite");
  if (type === "float") return undefined;
  if (!Number.isInteger(value)) return wrongValue(`${value} has a fraction; the value must be whole`);
  // JSON numbers carry 53 bits; a larger one was rounded before it came here.
  if (type === "long")
    return Number.isSafeInteger(value) ? undefined : wrongValue(`${value} is beyond 53 bits`);
  return value >= -2147483648 && value <= 2147483647 ? undefined : wrongValue(`${value} is beyond 32 bits`);
}
