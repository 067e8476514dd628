import { describe, expect, test } from "vitest";
import { judge, type Measurements } from "./claims.js";
import { excerpt, paintWith, renderClaims, renderDrill, renderLoad, renderSearch, table } from "./report.js";

const plain = paintWith(false);

const GOOD: Measurements = {
  speeches: 2,
  startSeconds: 1,
  load: { sent: 10, loaded: 10, failed: 0, bytes: 1000, seconds: 2 },
  searches: [
    {
      kind: "text",
      asked: "slavery",
      request: { queries: [] },
      total: { value: 1234, relation: "eq" },
      tookMs: 3,
      complete: true,
      hits: [{ id: "a", score: 1.5, year: 1861, president: "Abraham Lincoln", body: "Slavery ends." }],
      aggregations: { party: { buckets: [{ key: "Whig", count: 7 }], otherCount: 0, errorBound: 0 } },
    },
  ],
  drill: {
    node: "node-a-0",
    zone: "a",
    killedPid: 1,
    shards: [
      {
        shard: 0,
        longestBeforeMs: 31.5,
        longestAfterMs: 412.4,
        primaryBefore: "node-a-0",
        primaryAfter: "node-b-0",
      },
    ],
    resumed: true,
    inSyncAfterMs: 2300,
    loadSeconds: 8,
    writes: { acknowledged: 5000, failed: 0, failures: {}, retries: 9 },
    searches: { answered: 80, partial: 0, failed: 0, failures: {}, slowestMs: 50 },
    verdict: { acknowledgedIds: 4000, kept: 4000, lost: [], unansweredFound: 0 },
    counted: 4000,
    found: 4000,
    copies: [{ collection: "ledger", shard: 0, documents: [4000, 4000, 4000] }],
  },
};

function withDrill(drill: Partial<Measurements["drill"]>): Measurements {
  return { ...GOOD, drill: { ...GOOD.drill, ...drill } };
}

function failedClaims(measurements: Measurements): string[] {
  return judge(measurements)
    .filter(({ held }) => !held)
    .map(({ claim }) => claim);
}

describe("judge", () => {
  test("holds every claim when nothing went wrong", () => {
    expect(failedClaims(GOOD)).toEqual([]);
  });

  test.each<[string, Measurements]>([
    ["every passage sent was loaded", { ...GOOD, load: { ...GOOD.load, loaded: 9, failed: 1 } }],
    [
      "every kind of search found something, on all shards",
      { ...GOOD, searches: [{ ...GOOD.searches[0]!, complete: false }] },
    ],
    [
      "every kind of search found something, on all shards",
      { ...GOOD, searches: [{ ...GOOD.searches[0]!, hits: [] }] },
    ],
    ["every shard took writes again", withDrill({ resumed: false })],
    [
      "every acknowledged write is there, with its last value",
      withDrill({ verdict: { acknowledgedIds: 2, kept: 1, lost: ["writer-1-2"], unansweredFound: 0 } }),
    ],
    ["counting agrees with looking", withDrill({ counted: 3999 })],
    ["no write failed", withDrill({ writes: { ...GOOD.drill.writes, failed: 1 } })],
    ["no search failed or missed a shard", withDrill({ searches: { ...GOOD.drill.searches, partial: 1 } })],
    ["no search failed or missed a shard", withDrill({ searches: { ...GOOD.drill.searches, answered: 0 } })],
    ["the node came back, every copy in sync", withDrill({ inSyncAfterMs: undefined })],
    [
      "all copies of a shard hold as many documents",
      withDrill({ copies: [{ collection: "ledger", shard: 0, documents: [4000, 3999, 4000] }] }),
    ],
  ])("refuses the claim: %s", (claim, measurements) => {
    expect(failedClaims(measurements)).toEqual([claim]);
  });

  test("names lost documents and the reasons of failures", () => {
    const claims = judge(
      withDrill({
        verdict: { acknowledgedIds: 9, kept: 5, lost: ["a", "b", "c", "d"], unansweredFound: 0 },
        writes: { ...GOOD.drill.writes, failed: 3, failures: { tooFewCopies: 2, connectionLost: 1 } },
      }),
    );
    const measured = claims.map((claim) => claim.measured).join("\n");
    expect(measured).toContain("5 of 9 documents; lost: a, b, c, ...");
    expect(measured).toContain("3 failed (tooFewCopies 2, connectionLost 1)");
  });
});

describe("the report", () => {
  test("shows a search with its hits and buckets", () => {
    expect(renderSearch(plain, GOOD.searches[0]!)).toEqual([
      "",
      "   text  slavery  1,234 found in 3 ms",
      "   queries  []",
      '   1.500  1861  Abraham Lincoln  "Slavery ends."',
      "   by party",
      `     Whig      7  ${"█".repeat(24)}`,
    ]);
  });

  test("says when the time did not suffice to load all that was chosen", () => {
    expect(renderLoad(GOOD.load, 2, 10)).toHaveLength(1);
    expect(renderLoad(GOOD.load, 2, 11)[1]).toContain("of 11 chosen");
  });

  test("shows the drill as measured", () => {
    const lines = renderDrill(plain, GOOD.drill).join("\n");
    expect(lines).toContain("writes acknowledged            5,000 in 8.0 s");
    expect(lines).toContain("0      node-a-0        node-b-0     32 ms                 412 ms");
    expect(lines).toContain("ledger      0      4,000  4,000  4,000");
    expect(renderDrill(plain, { ...GOOD.drill, inSyncAfterMs: undefined }).join("\n")).toContain(
      "not in time",
    );
  });

  test("says of each claim whether it held", () => {
    const lines = renderClaims(plain, judge(withDrill({ counted: 1 })));
    expect(lines.filter((line) => line.startsWith("   FAILED"))).toEqual([
      "   FAILED  counting agrees with looking                            1 counted, 4000 found",
    ]);
  });

  test("aligns columns by what is seen, not by the codes of colours", () => {
    const rows = (paint: typeof plain): string[] =>
      table([
        [paint("red", "a"), "b"],
        ["long", "c"],
      ]);
    const codes = new RegExp(`${String.fromCodePoint(27)}\\[\\d+m`, "g");
    expect(rows(paintWith(true)).map((line) => line.replaceAll(codes, ""))).toEqual(rows(plain));
  });
});

describe("excerpt", () => {
  const text =
    `${"Before. ".repeat(30)}Then the territory of Oregon was added. ${"After. ".repeat(30)}`.trim();

  test("shows the place that speaks of what was asked, in whole words", () => {
    const shown = excerpt(text, "slavery in the territories", 60);
    expect(shown).toMatch(/^\.\.\. (?:Before\.)? .*the territory of Oregon.* \.\.\.$/);
  });

  test("shows the beginning when nothing of what was asked is in the text", () => {
    expect(excerpt(text, "railroads", 15)).toBe("Before. Before. ...");
  });

  test("leaves a short text as it is", () => {
    expect(excerpt("We meet again.", "meeting", 60)).toBe("We meet again.");
  });
});
