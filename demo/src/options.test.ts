import { describe, expect, test } from "vitest";
import { parseOptions, UsageError } from "./options.js";

describe("parseOptions", () => {
  test("ends in time by default, and takes its time when a number of passages is asked for", () => {
    expect(parseOptions([])).toMatchObject({ inTime: true, keep: false, json: false });
    expect(parseOptions(["--passages", "400"])).toMatchObject({ passages: 400, inTime: false });
    expect(parseOptions(["--full", "--keep"])).toMatchObject({
      passages: Infinity,
      inTime: false,
      keep: true,
    });
  });

  test.each([
    [["--passages", "many"], /^--passages many: must be a whole number/],
    [["--passages", "5"], /at least 100/],
    [["--passages", "500", "--full"], /exclude each other/],
    [["--ful"], /^Unknown option '--ful'$/],
    [["extra"], /^Unexpected argument 'extra'$/],
  ])("refuses %j in one line", (args, message) => {
    expect(() => parseOptions(args)).toThrow(UsageError);
    expect(() => parseOptions(args)).toThrow(message);
  });
});
