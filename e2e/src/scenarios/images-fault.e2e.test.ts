import { describe, expect, it } from "vitest";
import { imageName, IMAGES, runInImage } from "../images/build-images.js";

/** Resolved from the program's workspace, as its own code does. */
const LOAD_ADDONS = `
const { createRequire } = require("node:module");
const load = createRequire("/prism/dataplane/package.json");
const { open } = load("lmdb");
const { Index } = load("usearch");
const index = new Index({ metric: "cos", dimensions: 2, connectivity: 8 });
index.add(7n, new Float32Array([1, 0]));
const store = open({ path: "/tmp/store", noSync: true });
store.putSync("found", Number(index.search(new Float32Array([1, 0]), 1, 1).keys[0]));
console.log(process.getuid(), process.getgid(), store.get("found"));
`;

describe("the images", () => {
  it("load both native addons, as a user without rights", async () => {
    const script = `cat >/tmp/load.cjs <<'END'\n${LOAD_ADDONS}\nEND\nnode /tmp/load.cjs`;
    expect((await runInImage(await imageName("node"), ["sh", "-c", script])).trim()).toBe("10001 10001 7");
  });

  it("hold nothing that only a build needs", async () => {
    for (const { target } of IMAGES) {
      const found = await runInImage(await imageName(target), ["ls", "/prism/node_modules"]);
      for (const name of ["typescript", "vitest", "oxlint", "@stdlib"])
        expect(found.split("\n")).not.toContain(name);
    }
  });
});
