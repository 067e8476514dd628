/** What `make e2e WRITE=1` puts into docs/operations.md: each figure of a run, of every time that it was measured. */
import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import { REPOSITORY } from "../images/image-content.js";
import { EVIDENCE } from "./evidence.js";

const FIGURES = join(EVIDENCE, "figures.jsonl");
const PAGE = join(REPOSITORY, "docs", "operations.md");
const BEGIN = "<!-- Written by `make e2e WRITE=1`, down to the end mark. Do not edit. -->";
const END = "<!-- End of what `make e2e WRITE=1` writes. -->";

interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: "s" | "MiB" | "% of a core";
}

/** `what` is the row of the table: the same words for each time of the same. */
export async function recordFigure(what: string, value: number, unit: Figure["unit"]): Promise<void> {
  await mkdir(EVIDENCE, { recursive: true });
  await appendFile(FIGURES, `${JSON.stringify({ what, value, unit } satisfies Figure)}\n`);
  console.log(`${what}: ${value.toFixed(2)} ${unit}`);
}

/** @throws {Error} when the page has lost its marks, or there is nothing to write. */
export async function writeOperationsPage(now: Date): Promise<void> {
  const lines = (await readFile(FIGURES, "utf8")).trim().split("\n");
  const figures = lines.map((line) => JSON.parse(line) as Figure);
  const page = await readFile(PAGE, "utf8");
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`${PAGE} has no place for figures`);
  await writeFile(PAGE, `${before}${BEGIN}\n\n${section(figures, now)}\n\n${END}${after}`);
}

function section(figures: readonly Figure[], now: Date): string {
  const rows = [...new Set(figures.map(({ what }) => what))].map((what) => {
    const same = figures.filter((figure) => figure.what === what);
    const values = same.map(({ value }) => value).sort((a, b) => a - b);
    const middle = values[Math.floor((values.length - 1) / 2)]!;
    const cell = (value: number) => `${value.toFixed(value < 10 ? 2 : 0)} ${same[0]!.unit}`;
    return [what, String(values.length), cell(middle), cell(values.at(-1)!)];
  });
  const table = formatTable([["", "times", "median", "largest"], ...rows]);
  const machine = `${cpus()[0]?.model ?? "unknown processor"}, ${cpus().length} processors, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`;
  return [
    `Measured on ${now.toISOString().slice(0, 10)} by \`make e2e\`: Kubernetes 1.35 with three nodes, three nodes of Prism,`,
    "the operator's two replicas, and the load of the SDK at its defaults, all on one machine",
    `(${machine}; load ${loadavg()[0]!.toFixed(1)} at the end).`,
    "_To write again_ is the longest time that one of twelve documents, which clients write again and again through the",
    "Service, was not written.",
    "",
    table,
  ].join("\n");
}

/** Padded as prettier does it. */
function formatTable([header, ...rows]: readonly (readonly string[])[]): string {
  const all = [header!, ...rows];
  const widths = header!.map((_, column) => Math.max(3, ...all.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(" | ")} |`;
  const rule = `| ${widths.map((width, i) => (i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)).join(" | ")} |`;
  return [line(header!), rule, ...rows.map(line)].join("\n");
}
