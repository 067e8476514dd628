import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDate } from "./date.js";

describe("parseDate", () => {
  it.each([
    ["1970-01-01", 0],
    ["2024-02-29", Date.UTC(2024, 1, 29)],
    ["1901-12-03", Date.UTC(1901, 11, 3)],
    ["2024-05-17T08:30", Date.UTC(2024, 4, 17, 8, 30)],
    ["2024-05-17 08:30:15", Date.UTC(2024, 4, 17, 8, 30, 15)],
    ["2024-05-17T08:30:15Z", Date.UTC(2024, 4, 17, 8, 30, 15)],
    ["2024-05-17T08:30:15.2509Z", Date.UTC(2024, 4, 17, 8, 30, 15, 250)],
    ["2024-05-17T08:30:15.5+02:00", Date.UTC(2024, 4, 17, 6, 30, 15, 500)],
    ["2024-05-17T23:30:00-0130", Date.UTC(2024, 4, 18, 1, 0)],
    ["0000-01-01", -62_167_219_200_000],
  ])("reads %s", (text, expected) => {
    expect(parseDate(text)).toBe(expected);
  });

  it.each([
    "",
    "2024",
    "2024-13-01",
    "2024-00-01",
    "2024-02-30",
    "1900-02-29",
    "2024-04-31",
    "2024-05-17T24:00",
    "2024-05-17T08:60",
    "2024-05-17T08:30:60Z",
    "2024-05-17T08:30+25:00",
    "2024-05-17T",
    "17.05.2024",
    " 2024-05-17",
    "2024-05-17Z",
    `2024-05-17T08:30:15.${"1".repeat(100)}`,
  ])("refuses %j", (text) => {
    expect(parseDate(text)).toBeUndefined();
  });

  it("agrees with the platform on every valid date in its own form", () => {
    const times = fc.date({
      min: new Date("0000-01-01T00:00:00Z"),
      max: new Date("9999-12-31T23:59:59.999Z"),
    });
    fc.assert(
      fc.property(
        times.filter((time) => !Number.isNaN(time.getTime())),
        (time) => {
          expect(parseDate(time.toISOString())).toBe(time.getTime());
        },
      ),
    );
  });
});
