import { afterAll, afterEach, beforeAll } from "vitest";
import { Scenario, type ScenarioOptions } from "./scenario.js";

/** One cluster for all tests of a file, in their order. Its evidence is kept when one of them fails. */
export function useScenario(options: ScenarioOptions): () => Scenario {
  let scenario: Scenario | undefined;
  let failed = false;
  beforeAll(async () => {
    scenario = await Scenario.start(options);
  });
  afterEach(({ task }) => {
    failed ||= task.result?.state === "fail";
  });
  afterAll(async () => {
    await scenario?.end(failed);
  });
  return () => {
    if (scenario === undefined) throw new Error("the scenario has not begun: call this in a test");
    return scenario;
  };
}
