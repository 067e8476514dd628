import { describe, expect, test } from "vitest";
import { parseFailoverOptions } from "./options.js";

describe("the options of the failover benchmark", () => {
  test("have the sizes of the full run where make passes nothing", () => {
    expect(parseFailoverOptions(["--kills", "", "--freezes", "", "--leaders", ""])).toEqual({
      kills: 300,
      freezes: 50,
      leaderLosses: 10,
      seed: 1,
      writesDocs: true,
    });
  });

  test("take other sizes, none among them, and refuse what is no count", () => {
    const options = parseFailoverOptions(["--kills", "20", "--freezes", "0", "--no-docs"]);
    expect(options).toMatchObject({ kills: 20, freezes: 0, writesDocs: false });
    expect(() => parseFailoverOptions(["--kills", "many"])).toThrow(/--kills: must be an integer/);
    expect(() => parseFailoverOptions(["--freezes=-1"])).toThrow(/--freezes/);
    expect(parseFailoverOptions(["--help"])).toBeUndefined();
  });
});
