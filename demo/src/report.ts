/** The text that people read. Pure: measurements in, lines out. */
import type { AggregationResult } from "@prism/api/search";
import { longestPauseMs, type Claim } from "./claims.js";
import type { DrillReport } from "./failure-drill.js";
import type { Shown, ShownHit } from "./showcase.js";
import type { LoadReport } from "./speech-collection.js";

const COLOURS = { red: 31, green: 32, cyan: 36, grey: 90, bold: 1 } as const;
export type Paint = (colour: keyof typeof COLOURS, text: string) => string;

export function paintWith(colours: boolean): Paint {
  return (colour, text) => (colours ? `\u001b[${COLOURS[colour]}m${text}\u001b[0m` : text);
}

const INDENT = "   ";
const EXCERPT_CHARACTERS = 96;
const BAR_CHARACTERS = 24;

export function renderHeading(paint: Paint, number: number, title: string): string[] {
  return ["", paint("bold", `${number}  ${title}`)];
}

export function renderNodes(
  nodes: readonly { readonly name: string; readonly zone: string; readonly httpUrl: string }[],
): string[] {
  return table(nodes.map(({ name, zone, httpUrl }) => [name, `zone ${zone}`, httpUrl]));
}

/** @param chosen passages that were to be loaded if the time allowed. */
export function renderLoad(load: LoadReport, speeches: number, chosen: number): string[] {
  const perSecond = (load.loaded / load.seconds).toFixed(0);
  const megabytes = (load.bytes / 1e6).toFixed(1);
  return [
    `${INDENT}${grouped(load.loaded)} passages of ${speeches} speeches, ${megabytes} MB, embedded and loaded ` +
      `in ${load.seconds.toFixed(1)} s (${perSecond}/s)`,
    ...(load.sent < chosen
      ? [
          `${INDENT}of ${grouped(chosen)} chosen: the time for loading was over; --passages takes the time it needs`,
        ]
      : []),
  ];
}

export function renderSearch(paint: Paint, shown: Shown): string[] {
  const { kind, asked, request, total, tookMs, hits, aggregations } = shown;
  const found = `${total.relation === "gte" ? "at least " : ""}${grouped(total.value)} found in ${tookMs.toFixed(0)} ms`;
  return [
    "",
    `${INDENT}${paint("cyan", kind)}  ${asked}  ${paint("grey", found)}`,
    ...table(Object.entries(request).map(([key, value]) => [key, JSON.stringify(value)])).map((line) =>
      paint("grey", line),
    ),
    ...table(hits.map((hit) => toRow(hit, asked))),
    ...Object.entries(aggregations).flatMap(([name, result]) => renderAggregation(paint, name, result)),
  ];
}

function toRow({ score, year, president, body }: ShownHit, asked: string): string[] {
  return [score.toFixed(3), String(year), president, `"${excerpt(body, asked, EXCERPT_CHARACTERS)}"`];
}

function renderAggregation(paint: Paint, name: string, result: AggregationResult): string[] {
  if (!("buckets" in result)) return [];
  const most = Math.max(1, ...result.buckets.map(({ count }) => count));
  const rows = result.buckets.map(({ key, count }) => [
    String(key),
    grouped(count).padStart(5),
    paint("grey", "█".repeat(Math.round((count / most) * BAR_CHARACTERS))),
  ]);
  return [`${INDENT}by ${name}`, ...table(rows, `${INDENT}  `)];
}

export function renderDrill(paint: Paint, drill: DrillReport): string[] {
  const { writes, verdict, searches } = drill;
  const facts: [string, string][] = [
    ["killed under load", `${drill.node}, zone ${drill.zone}`],
    ["writes acknowledged", `${grouped(writes.acknowledged)} in ${drill.loadSeconds.toFixed(1)} s`],
    ["documents acknowledged", grouped(verdict.acknowledgedIds)],
    ["  found with their last value", grouped(verdict.kept)],
    ["  lost", grouped(verdict.lost.length)],
    ["writes failed", grouped(writes.failed)],
    ["requests repeated by the SDK", grouped(writes.retries)],
    ["longest pause of writes then", `${longestPauseMs(drill).toFixed(0)} ms`],
    ["searches meanwhile", `${grouped(searches.answered)}, the slowest ${searches.slowestMs.toFixed(0)} ms`],
    ["  failed", grouped(searches.failed)],
    ["  missed a shard", grouped(searches.partial)],
    ["all copies in sync again", seconds(drill.inSyncAfterMs)],
  ];
  const shards = drill.shards.map((row) => [
    String(row.shard),
    row.primaryBefore,
    row.primaryAfter,
    `${row.longestBeforeMs.toFixed(0)} ms`,
    `${row.longestAfterMs.toFixed(0)} ms`,
  ]);
  const copies = drill.copies.map(({ collection, shard, documents }) => [
    collection,
    String(shard),
    documents.map(grouped).join("  "),
  ]);
  const head = (titles: string[]): string[] => titles.map((title) => paint("grey", title));
  return [
    ...table(facts),
    "",
    ...table([
      head(["shard", "primary before", "primary now", "longest pause before", "and from then on"]),
      ...shards,
    ]),
    "",
    ...table([head(["collection", "shard", "documents of each copy"]), ...copies]),
  ];
}

export function renderClaims(paint: Paint, claims: readonly Claim[]): string[] {
  return table(
    claims.map(({ claim, held, measured }) => [
      held ? paint("green", "held") : paint("red", "FAILED"),
      claim,
      measured,
    ]),
  );
}

/** About `length` characters of the text, from where it speaks of what was asked; whole words. */
export function excerpt(text: string, asked: string, length: number): string {
  if (text.length <= length) return text;
  // Endings off: "grandchildren" finds "grandchild", "territories" finds "territory".
  const terms = (asked.match(/[a-z]{5,}/gi) ?? []).map((word) => word.slice(0, Math.max(5, word.length - 3)));
  const at = terms.length === 0 ? 0 : Math.max(0, text.search(new RegExp(`\\b(?:${terms.join("|")})`, "i")));
  const from = Math.min(Math.max(0, at - Math.floor(length / 3)), text.length - length);
  const start = from === 0 ? 0 : text.indexOf(" ", from) + 1;
  const cut = start + length >= text.length ? text.length : text.lastIndexOf(" ", start + length);
  return `${start > 0 ? "... " : ""}${text.slice(start, cut)}${cut < text.length ? " ..." : ""}`;
}

/** Left-aligned columns, two spaces apart. */
export function table(rows: readonly (readonly string[])[], indent = INDENT): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, visibleLength(cell));
  }
  return rows.map((row) => {
    const cells = row.map((cell, i) => cell + " ".repeat(widths[i]! - visibleLength(cell)));
    return `${indent}${cells.join("  ")}`.trimEnd();
  });
}

// The escape character that starts a colour is what is looked for.
// oxlint-disable-next-line no-control-regex
const ESCAPES = /\u001b\[\d+m/g;

function visibleLength(text: string): number {
  return text.replaceAll(ESCAPES, "").length;
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? "not in time" : `after ${(ms / 1000).toFixed(1)} s`;
}

function grouped(value: number): string {
  return value.toLocaleString("en-US");
}
