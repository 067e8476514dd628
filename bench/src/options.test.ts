import { expect, test } from "vitest";
import { parseOptions } from "./options.js";

test("the full run is the default, and help is no run", () => {
  expect(parseOptions([])).toMatchObject({ isQuick: false, asJson: false });
  expect(parseOptions([])?.scale.dataSet.documents).toBe(100_000);
  expect(parseOptions(["--quick", "--json"])).toMatchObject({ isQuick: true, asJson: true });
  expect(parseOptions(["--writes"])).toMatchObject({ isQuick: false, isWritesOnly: true });
  expect(parseOptions(["--help"])).toBeUndefined();
});

test("an unknown argument is refused", () => {
  expect(() => parseOptions(["--quik"])).toThrow("--quik");
  expect(() => parseOptions(["quick"])).toThrow("quick");
});
