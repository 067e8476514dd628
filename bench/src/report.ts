/** The figures as tables: for a terminal, and as docs/benchmarks.md. */
import { WARM_UP_SEARCHES } from "./options.js";
import type {
  BenchResults,
  LoadFigures,
  ReplicatedWriteFigures,
  StorePeerFigures,
  WriteFigures,
  WriteResults,
} from "./results.js";

interface Section {
  readonly title: string;
  readonly text: readonly string[];
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export function renderText(results: BenchResults): string {
  const parts = sectionsOf(results).map(
    ({ title, header, rows }) => `${title}\n\n${table(header, rows, "  ")}\n`,
  );
  return `\n${parts.join("\n")}\n${machineLine(results)}\n`;
}

/** Of a run of `--writes`. */
export function renderWritesText({ machine, versions, oneNode, threeNodes, lmdb }: WriteResults): string {
  const { title, header, rows } = replicatedWrites(oneNode, threeNodes, lmdb, machine.cores);
  return `\n${title}\n\n${table(header, rows, "  ")}\n\n${machineLine({ machine, versions })}\n`;
}

export function renderMarkdown(results: BenchResults): string {
  const sections = sectionsOf(results).map(({ title, text, header, rows }) =>
    [`## ${title}`, ...text.map((line) => wrap(line)), markdownTable(header, rows)].join("\n\n"),
  );
  const head = [
    "# Benchmarks",
    "<!-- Written by `make bench`. Do not edit. -->",
    wrap(
      `One run of \`${results.command}\` on ${results.takenAt.slice(0, 10)}, ${results.seconds} seconds long. ` +
        "Everything in it ran on one machine, the load included, one part after the other. Absolute numbers move by " +
        "about 30 % from machine to machine and run to run, with whatever else the machine does; the ratios to peers " +
        "that were measured in the same run move less. Times of servers are CPU time of all threads of the node " +
        "processes, so they hold the HTTP server, routing between threads and the answer, and do not depend on how " +
        "many cores are free.",
    ),
    wrap(machineLine(results)),
    wrap(dataLine(results)),
    "[benchmarks.json](benchmarks.json) has the same figures for programs.",
  ];
  return `${[...head, ...sections].join("\n\n")}\n`;
}

export function machineLine({ machine, versions }: Pick<BenchResults, "machine" | "versions">): string {
  const { processor, cores, memoryBytes, system, loadBefore } = machine;
  const memory = `${Math.round(memoryBytes / 1024 ** 3)} GiB`;
  const with_ = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return (
    `Machine: ${processor}, ${cores} cores, ${memory}, ${system}; load ${loadBefore.toFixed(1)} before the run. ` +
    `Versions: ${with_.join(", ")}.`
  );
}

function dataLine({ dataSet }: BenchResults): string {
  const { documents, dimensions, clusters, wordsPerText, terms, queries, seed } = dataSet;
  return (
    `Data: ${count(documents)} documents, each with a vector of ${dimensions} float32 numbers (${clusters} Gaussian ` +
    "clusters; standard deviation 1 of centres, and of vectors around them; metric l2), a text of about " +
    `${wordsPerText} words (Zipf, ${count(terms)} terms) and an integer; seed ${seed}. ${queries} queries: vectors ` +
    "of the same clusters, texts of two or three terms drawn evenly over the logarithm of their rank and joined by " +
    "or, and both together (reciprocal rank fusion). Each search returns the ten best with text and integer."
  );
}

function sectionsOf(results: BenchResults): Section[] {
  return [
    ratios(results),
    oneNode(results),
    ingest(results),
    threeNodes(results),
    replicatedWrites(
      results.singleNode.plainWrites,
      results.threeNodes.writes,
      results.peers.lmdb,
      results.machine.cores,
    ),
    placement(results),
    orientation(results),
  ];
}

function ratios({ singleNode, threeNodes, peers }: BenchResults): Section {
  const vectorUs = cpuAtMostInFlight(singleNode.vector.loads);
  const bm25Us = cpuAtMostInFlight(singleNode.bm25.loads);
  const { usearch, fts5, lmdb } = peers;
  const onePlain = singleNode.plainWrites.documentsPerSecond;
  const threePlain = plainOf(threeNodes.writes, RATIO_BATCH).documentsPerSecond;
  const eight = lmdbAt(lmdb, RATIO_BATCH);
  const searchName = `Vector search, recall ${singleNode.recallAt10.toFixed(3)}, CPU`;
  return {
    title: "Ratios to peers",
    text: [
      "The peers run in one process without a server, a network or a second copy: they are floors, not rivals. usearch " +
        "is the graph library that Prism uses, with the same settings " +
        `(recall@10 here ${usearch.recallAt10.toFixed(3)}). FTS5 is SQLite's full-text index, in memory; ` +
        `${percent(fts5.agreement)} of its ten best are among Prism's ten best. LMDB is the store that Prism uses, ` +
        `written in batches of ${RATIO_BATCH}, eight at a time as the clients of Prism do; one at a time it takes ` +
        `${count(lmdb.oneAtATimePerSecond)}/s.`,
    ],
    header: ["", "Prism", "peer", "ratio"],
    rows: [
      [searchName, us(vectorUs), `usearch ${us(usearch.searchCpuUs)}`, times(vectorUs / usearch.searchCpuUs)],
      ["BM25 search, CPU", us(bm25Us), `FTS5 ${us(fts5.searchCpuUs)}`, times(bm25Us / fts5.searchCpuUs)],
      [
        "Durable writes of 1 KB, one node",
        perSecond(onePlain),
        `LMDB ${perSecond(eight)}`,
        times(onePlain / eight),
      ],
      [
        "The same, three copies",
        perSecond(threePlain),
        `LMDB ${perSecond(eight)}`,
        times(threePlain / eight),
      ],
    ],
  };
}

function oneNode({ singleNode }: BenchResults): Section {
  const { vector, bm25, hybrid, candidates } = singleNode;
  return {
    title: "Searches: one node, one shard",
    text: [
      `Closed loop over HTTP on loopback. Vector searches ask for ${candidates} candidates, the fewest tried with a ` +
        `recall@10 of 0.99 or more (${singleNode.recallAt10.toFixed(4)}, against exact answers to all queries). ` +
        `At least ${WARM_UP_SEARCHES.toLocaleString("en")} searches go before each measurement, here and on three nodes: ` +
        "a node that has just started compiles its code while it runs, which costs as much as the searches.",
    ],
    header: LOAD_HEADER,
    rows: [
      ...vector.loads.map((load) => loadRow("vector", load)),
      ...bm25.loads.map((load) => loadRow("BM25", load)),
      ...hybrid.loads.map((load) => loadRow("hybrid", load)),
    ],
  };
}

function ingest({ singleNode, peers }: BenchResults): Section {
  const { ingest, residentBytes, plainWrites } = singleNode;
  const { usearch } = peers;
  return {
    title: "Ingest: one node, one shard",
    text: [
      "Bulk requests of 1,000 documents, four in flight. Searchable means that every vector is in the graph; until then " +
        "searches find acknowledged documents too, by scanning. CPU counts everything until the node is quiet again.",
    ],
    header: ["", "figure"],
    rows: [
      ["documents, acknowledged (durable)", perSecond(ingest.acknowledgedPerSecond)],
      ["documents, searchable through the graph", perSecond(ingest.searchablePerSecond)],
      ["server CPU per document", us(ingest.serverCpuUs)],
      ["of it what building the graph costs usearch alone", us(usearch.buildCpuUs)],
      ["resident memory of the node afterwards", `${count(residentBytes / 1024 ** 2)} MiB`],
      ...plainRows(plainWrites),
    ],
  };
}

function plainRows(writes: WriteFigures): string[][] {
  const setting = `batches of ${writes.batch}, ${writes.inFlight} in flight`;
  return [
    [`1 KB documents without indexed fields, ${setting}`, perSecond(writes.documentsPerSecond)],
    ["server CPU per such document", us(writes.serverCpuUsPerDocument)],
    ["latency of such a batch, p50 / p99", `${ms(writes.p50Ms)} / ${ms(writes.p99Ms)}`],
  ];
}

function threeNodes({ threeNodes, machine }: BenchResults): Section {
  return {
    title: "Three nodes in three zones, three shards, three copies",
    text: [
      `The three nodes and the clients share the ${machine.cores} cores of this machine: a cluster has three times the ` +
        `cores. Searches are over ${count(threeNodes.documents)} documents, each on all three shards; their CPU is that ` +
        "of all nodes together.",
    ],
    header: LOAD_HEADER,
    rows: [
      loadRow("vector", threeNodes.vector),
      loadRow("BM25", threeNodes.bm25),
      loadRow("hybrid", threeNodes.hybrid),
    ],
  };
}

const RATIO_BATCH = 100;

function replicatedWrites(
  oneNode: WriteFigures,
  { plain, indexed, lag }: ReplicatedWriteFigures,
  lmdb: StorePeerFigures,
  cores: number,
): Section {
  const row = (name: string, writes: WriteFigures, isRated: boolean): string[] => {
    const { batch, documentsPerSecond, p50Ms, p99Ms, serverCpuUsPerDocument } = writes;
    const ratio = isRated ? times(documentsPerSecond / lmdbAt(lmdb, batch)) : "–";
    const [cpu, rate] = [us(serverCpuUsPerDocument), perSecond(documentsPerSecond)];
    return [name, count(batch), rate, ratio, ms(p50Ms), ms(p99Ms), cpu];
  };
  return {
    title: "Durable writes",
    text: [
      `Bulk requests of so many documents, ${oneNode.inFlight} in flight. With three copies a write is answered when every ` +
        `in-sync copy has it on disk; the three nodes and the clients share the ${cores} cores and the disk of this machine. ` +
        "The ratio is to one LMDB in one process, written eight batches of the same size at a time; latency is of a batch, " +
        "CPU of all nodes together. Documents with fields have a text of about 30 words and a vector of 128 numbers, and are " +
        "indexed meanwhile on all copies.",
      `While documents of 1 KB were written in batches of ${RATIO_BATCH}, copies were at most ${ms(lag.p99Ms)} and ` +
        `${count(lag.p99Operations)} operations behind their primary in 99 % of ${lag.samples} samples of the metrics ` +
        "`prism_replication_lag_seconds` and `prism_replication_lag_operations`.",
    ],
    header: ["", "batch", "documents", "of LMDB", "p50", "p99", "CPU per document"],
    rows: [
      row("1 KB, one node", oneNode, true),
      ...plain.map((writes) => row("1 KB, three copies", writes, true)),
      row("text and vector, three copies", indexed, false),
      [
        "lag of a copy, 1 KB",
        count(RATIO_BATCH),
        `${count(lag.p99Operations)} behind`,
        "–",
        "–",
        ms(lag.p99Ms),
        "–",
      ],
      ...lmdb.eightAtATime.map(({ batch, perSecond: rate }) => [
        "LMDB, no server",
        count(batch),
        perSecond(rate),
        times(1),
        "–",
        "–",
        "–",
      ]),
    ],
  };
}

function plainOf({ plain }: ReplicatedWriteFigures, batch: number): WriteFigures {
  const writes = plain.find((one) => one.batch === batch);
  if (writes === undefined) throw new RangeError(`batches of ${batch} were not measured`);
  return writes;
}

function lmdbAt({ eightAtATime }: StorePeerFigures, batch: number): number {
  const peer = eightAtATime.find((one) => one.batch === batch);
  if (peer === undefined) throw new RangeError(`batches of ${batch} were not measured`);
  return peer.perSecond;
}

function placement({ placement }: BenchResults): Section {
  const { nodes, zones, shards, factor, freshMs, copiesPlaced, zoneLossMs, copiesReplaced } = placement;
  return {
    title: "Placement",
    text: [
      `${count(nodes)} nodes in ${zones} zones, ${count(shards)} shards, ${factor} copies each, no two in one zone.`,
    ],
    header: ["", "copies placed", "time"],
    rows: [
      ["all shards new", count(copiesPlaced), ms(freshMs)],
      ["a zone is lost", count(copiesReplaced), ms(zoneLossMs)],
    ],
  };
}

/** Server CPU per search, in microseconds, with data of the same kind and the client on the same two cores. */
const MEASURED_EARLIER = [
  { name: "Elasticsearch 9.2", vector: 614, bm25: 303, hybrid: 518 },
  { name: "Weaviate 1.35", vector: 515, bm25: undefined, hybrid: undefined },
] as const;

function orientation({ singleNode: { vector, bm25, hybrid } }: BenchResults): Section {
  const earlier = MEASURED_EARLIER.map(({ name, vector, bm25, hybrid }) => [
    `${name}, measured earlier`,
    us(vector),
    us(bm25),
    us(hybrid),
  ]);
  const cpu = [vector, bm25, hybrid].map(({ loads }) => us(cpuAtMostInFlight(loads)));
  return {
    title: "For orientation: server CPU per search",
    text: [
      "Other servers were measured earlier on this kind of machine with data of the same kind, not in this run: these " +
        "rows say where Prism stands, not who is faster.",
    ],
    header: ["", "vector", "BM25", "hybrid"],
    rows: [["Prism, this run", ...cpu], ...earlier],
  };
}

const LOAD_HEADER = ["", "in flight", "per second", "p50", "p99", "server CPU each"];

function loadRow(name: string, { inFlight, perSecond, p50Ms, p99Ms, serverCpuUs }: LoadFigures): string[] {
  return [name, String(inFlight), count(perSecond), ms(p50Ms), ms(p99Ms), us(serverCpuUs)];
}

function cpuAtMostInFlight(loads: readonly LoadFigures[]): number {
  return loads.at(-1)?.serverCpuUs ?? 0;
}

export function count(value: number): string {
  return Math.round(value)
    .toString()
    .replaceAll(/\B(?=(\d{3})+$)/g, ",");
}

function perSecond(value: number): string {
  return `${count(value)}/s`;
}

function us(value: number | undefined): string {
  return value === undefined ? "–" : `${count(value)} µs`;
}

export function ms(value: number): string {
  return `${value < 100 ? value.toFixed(1) : count(value)} ms`;
}

function times(value: number): string {
  return `${value < 10 ? value.toFixed(2) : value.toFixed(0)}×`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function widthsOf(header: readonly string[], rows: readonly (readonly string[])[]): number[] {
  return header.map((cell, i) => Math.max(3, cell.length, ...rows.map((row) => row[i]!.length)));
}

/** Numbers to the right, names to the left. */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  indent: string,
): string {
  const widths = widthsOf(header, rows);
  return [header, ...rows]
    .map((row) => {
      const cells = row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)));
      return indent + cells.join("  ").trimEnd();
    })
    .join("\n");
}

export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = widthsOf(header, rows);
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(" | ")} |`;
  const rule = widths.map((width, i) => (i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [line(header), `| ${rule.join(" | ")} |`, ...rows.map(line)].join("\n");
}

const LINE_WIDTH = 110;

export function wrap(text: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > LINE_WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join("\n");
}
