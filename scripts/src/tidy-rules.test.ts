import { describe, expect, it } from "vitest";
import { checkPins, checkSource, codeLines } from "./tidy-rules.js";

const DOMAIN = "dataplane/src/domain/x.ts";

function messages(path: string, text: string): string[] {
  return checkSource({ path, text }).map((violation) => violation.message);
}

describe("domain purity", () => {
  it.each([
    "const now = Date.now();",
    "const now = new Date();",
    "const r = Math.random();",
    "const t = performance.now();",
    "const e = process.env;",
    "console.log(1);",
    "setTimeout(f, 1);",
    "async function f() {}",
    "const x = await y;",
    'const m = import("./y.js");',
  ])("refuses %s", (line) => {
    expect(messages(DOMAIN, line)).not.toEqual([]);
  });

  it.each([
    "const d = new Date(ms);",
    "// Date.now() would make this unrepeatable",
    'const text = "await process.env";',
    "const { nowMs } = input;",
  ])("takes %s", (line) => {
    expect(messages(DOMAIN, line)).toEqual([]);
  });

  it("lets adapters and tests do what domain code may not", () => {
    expect(messages("dataplane/src/adapters/clock.ts", "const now = Date.now();")).toEqual([]);
    expect(messages("dataplane/src/domain/x.test.ts", "const now = Date.now();")).toEqual([]);
  });

  it("lets domain code import domain code, the API and the contract alone", () => {
    expect(messages(DOMAIN, 'import { a } from "./a.js";')).toEqual([]);
    expect(messages(DOMAIN, 'import { a } from "@prism/proto/contract/ring";')).toEqual([]);
    expect(messages(DOMAIN, 'import { a } from "../engine/a.js";')).toHaveLength(1);
    expect(messages(DOMAIN, 'import { readFileSync } from "node:fs";')).toHaveLength(1);
    expect(messages(DOMAIN, 'import fastify from "fastify";')).toHaveLength(1);
  });
});

describe("import boundaries", () => {
  it("keeps packages apart", () => {
    expect(messages("client/src/a.ts", 'import { x } from "@prism/operator/main";')).toHaveLength(1);
    expect(messages("cli/src/a.ts", 'import { x } from "@prism/operator/local-cluster";')).toEqual([]);
  });

  it("keeps the engine away from the network and services away from adapters", () => {
    expect(messages("dataplane/src/engine/a.ts", 'import { x } from "../adapters/http/y.js";')).toHaveLength(
      1,
    );
    expect(
      messages("dataplane/src/services/a.ts", 'import { x } from "../adapters/grpc/y.js";'),
    ).toHaveLength(1);
  });

  it("lets only the edge read the environment", () => {
    expect(messages("dataplane/src/services/a.ts", "const a = process.env;")).toHaveLength(1);
    expect(messages("dataplane/src/main.ts", "const a = process.env;")).toEqual([]);
  });
});

describe("the Kubernetes machinery", () => {
  it.each([
    'import { API_VERSION } from "@prism/api/api-object";',
    "// as PrismCluster wants it",
    'const label = "prism.dev/cluster";',
  ])("knows nothing of who uses it: %s", (line) => {
    expect(messages("kube-machinery/src/reflector.ts", line)).not.toEqual([]);
    expect(messages("kube-machinery/src/reflector.test.ts", line)).not.toEqual([]);
  });

  it("is used by others under its package's name", () => {
    const line = 'import { Reflector } from "@prism/kube-machinery/reflector";';
    expect(messages("operator/src/adapters/kubernetes/watches.ts", line)).toEqual([]);
    expect(messages("kube-machinery/src/reflector.ts", "const resource = 1;")).toEqual([]);
  });
});

describe("names, marks and pins", () => {
  it("refuses drawers and barrels", () => {
    expect(messages("dataplane/src/engine/utils.ts", "")).toHaveLength(1);
    expect(messages("dataplane/src/engine/index.ts", "")).toHaveLength(1);
    expect(messages("client/src/index.ts", "")).toEqual([]);
  });

  it("refuses marks for later and skipped tests", () => {
    expect(messages("dataplane/src/a.ts", "// TODO: this")).toHaveLength(1);
    expect(messages("dataplane/src/a.test.ts", "it.skip('x', f);")).toHaveLength(1);
  });

  it("refuses versions that are not exact", () => {
    const text = JSON.stringify({ dependencies: { a: "^1.0.0", b: "1.0.0" }, devDependencies: { c: "*" } });
    expect(checkPins({ path: "package.json", text })).toHaveLength(2);
  });

  it("sees code, not words in comments and strings", () => {
    expect(codeLines('a("await"); // await\n/* await\nawait */ b')).toEqual([
      'a("");',
      "        ",
      "         b",
    ]);
  });
});
