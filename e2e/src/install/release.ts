/** What tests of the chart begin and end with: they share the API server with other tests. */
import { API_GROUP, API_KINDS } from "@prism/api/api-object";
import { Kubectl } from "./kubectl.js";

const DEFINITIONS = Object.values(API_KINDS).map(({ plural }) => `${plural}.${API_GROUP}`);

/** Before: definitions that another test has applied are not Helm's to change. After: nor are Helm's theirs. */
export async function removeDefinitions(): Promise<void> {
  await new Kubectl("default").run(["delete", "crd", ...DEFINITIONS, "--ignore-not-found", "--timeout=60s"]);
}
