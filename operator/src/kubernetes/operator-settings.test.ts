import { expect, test } from "vitest";
import { parseOperatorSettings } from "./operator-settings.js";

const WHOLE = {
  POD_NAME: "operator-0",
  POD_NAMESPACE: "prism",
  PRISM_NODE_IMAGE_REPOSITORY: "registry/prism-node",
};

test("what is left out has defaults, and no namespace means all", () => {
  expect(parseOperatorSettings(WHOLE)).toEqual({
    podName: "operator-0",
    podNamespace: "prism",
    watchNamespaces: [],
    nodeImageRepository: "registry/prism-node",
    adminHost: "0.0.0.0",
    adminPort: 3090,
    logLevel: "info",
  });
  const several = parseOperatorSettings({ ...WHOLE, PRISM_WATCH_NAMESPACES: "a, b" });
  expect(several.watchNamespaces).toEqual(["a", "b"]);
});

test("all that is wrong is said at once", () => {
  const wrong = {
    PRISM_WATCH_NAMESPACES: "a,No_Name",
    PRISM_LOG_LEVEL: "loud",
    PRISM_ADMIN_ADDRESS: "3090",
  };
  const lines = (): string[] => {
    try {
      parseOperatorSettings(wrong);
      return [];
    } catch (error) {
      return (error as Error).message.split("\n").map((line) => line.split(":")[0]!);
    }
  };
  expect(lines().sort()).toEqual([
    "POD_NAME",
    "POD_NAMESPACE",
    "PRISM_ADMIN_ADDRESS",
    "PRISM_LOG_LEVEL",
    "PRISM_NODE_IMAGE_REPOSITORY",
    "PRISM_WATCH_NAMESPACES",
  ]);
});
