/** The pages written by hand, held against the code they speak of. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkSearch } from "@prism/api/check-search";
import { parseCollectionSpec } from "@prism/api/collection";
import { CLUSTER_CONDITIONS, COLLECTION_CONDITIONS } from "@prism/api/condition";
import { DEFAULT_LIMITS } from "@prism/api/limits";
import { PROBLEMS } from "@prism/api/problem-code";
import { REASONS } from "@prism/api/reason";
import { parseSearchRequest } from "@prism/api/search";
import { describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PAGES = ["", "docs", "docs/adr"].flatMap((directory) =>
  readdirSync(join(ROOT, directory))
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(directory, name)),
);

const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const anchorOf = (heading: string): string =>
  heading
    .replace(/^#+ /, "")
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, "")
    .replaceAll(" ", "-");

describe("docs/search.md", () => {
  const page = read("docs/search.md");
  const collection = /collections\/speeches .* -d '\n([\s\S]*?)'\n/.exec(page)?.[1] ?? "";
  const spec = parseCollectionSpec(
    JSON.parse(collection),
    { replication: { factor: 3, minReplicasForWrite: 2 } },
    { name: "speeches" },
  );
  const violationsOf = (request: unknown): unknown[] =>
    checkSearch(parseSearchRequest(request, DEFAULT_LIMITS), spec, DEFAULT_LIMITS);

  it("shows a request that the API takes", () => {
    const request = /```json\n(\{\n[\s\S]*?\n\})\n```/.exec(page)?.[1] ?? "";
    expect(violationsOf(JSON.parse(request))).toEqual([]);
  });

  it("shows filters that the API takes", () => {
    const filters = [...page.matchAll(/^\| `(\{.*\})` +\|/gm)].map((match) => match[1] ?? "");
    expect(filters.length).toBeGreaterThanOrEqual(6);
    for (const filter of filters) expect(violationsOf({ filter: JSON.parse(filter) }), filter).toEqual([]);
  });
});

describe("pages about Kubernetes", () => {
  const blocks = ["README.md", "docs/kubernetes.md"].flatMap((page) =>
    [...read(page).matchAll(/```yaml\n([\s\S]*?)```/g)]
      .map((match) => match[1] ?? "")
      .filter((block) => block.startsWith("apiVersion: prism.dev/")),
  );
  const samples = readdirSync(join(ROOT, "crds/samples/good")).map((name) =>
    read(`crds/samples/good/${name}`).replace(/^#.*\n/, ""),
  );

  it("show objects that are samples, which tests apply to an API server", () => {
    expect(blocks.length).toBeGreaterThanOrEqual(3);
    for (const block of blocks) expect(samples).toContain(block);
  });

  it("name reasons that exist", () => {
    const known = new Set([...Object.keys(REASONS), ...CLUSTER_CONDITIONS, ...COLLECTION_CONDITIONS]);
    const rows = read("docs/failures.md")
      .split("\n")
      .filter((line) => line.startsWith("| "));
    const named = rows.flatMap((row) => (row.split(" | ")[2] ?? "").match(/`[A-Z]\w+`/g) ?? []);
    expect(named.length).toBeGreaterThan(20);
    expect(named.map((name) => name.slice(1, -1)).filter((name) => !known.has(name))).toEqual([]);
  });
});

describe("docs/operations.md", () => {
  it("names reasons and error codes that exist", () => {
    const known = new Set([...Object.keys(REASONS), ...Object.keys(PROBLEMS)]);
    const table = read("docs/operations.md")
      .split("\n")
      .filter((line) => line.startsWith("| ") && !line.includes("prism"))
      .flatMap((line) => (line.split(" | ").at(-1) ?? "").match(/`\w+`/g) ?? [])
      .map((name) => name.slice(1, -1));
    expect(table.length).toBeGreaterThan(10);
    expect(table.filter((name) => !known.has(name))).toEqual([]);
  });
});

describe.each(PAGES)("%s", (path) => {
  it("links to pages and headings that exist", () => {
    const links = [...read(path).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? "");
    const broken = links.filter((link) => {
      if (/^https?:/.test(link)) return false;
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? path : join(dirname(path), file);
      if (!existsSync(join(ROOT, target))) return true;
      if (anchor === undefined) return false;
      const headings = read(target)
        .split("\n")
        .filter((line) => line.startsWith("#"));
      return !headings.some((heading) => anchorOf(heading) === anchor);
    });
    expect(broken).toEqual([]);
  });
});
