import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseSettings } from "@prism/dataplane/config";
import { nodeSettingsFile } from "@prism/operator/resources/node-settings";
import { expect, it } from "vitest";

it("reads in a node what the operator writes of its pod's resources", () => {
  const directory = mkdtempSync(join(tmpdir(), "prism-settings-"));
  try {
    const path = join(directory, "node.json");
    writeFileSync(path, nodeSettingsFile({ requests: {}, limits: { cpu: "4", memory: "2Gi" } }).text);
    const settings = parseSettings([], { PRISM_CONFIG: path, PRISM_DATA: "/data", PRISM_NAME: "demo-a-0" });
    expect(settings).toMatchObject({
      workers: 3,
      httpAddress: { host: "0.0.0.0", port: 3080 },
      adminAddress: { host: "0.0.0.0", port: 3090 },
      limits: { memoryBudgetBytes: Math.floor(0.9 * 2 ** 31) },
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
