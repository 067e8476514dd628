/** SQLite FTS5 in this process, in memory: a full-text index many know, with the same BM25. */
import Database from "libsql";
import type { DataSet } from "../data-set.js";
import { meanRecall } from "../recall.js";
import type { TextPeerFigures } from "../results.js";

const BEST = 10;

/** `prismRows`: the rows of Prism's ten best for each query. */
export function measureFts5(
  { texts, queryTexts }: DataSet,
  prismRows: readonly (readonly number[])[],
): TextPeerFigures {
  const database = new Database(":memory:");
  try {
    database.exec("CREATE VIRTUAL TABLE documents USING fts5(body, content='')");
    const buildStart = process.cpuUsage();
    const insert = database.prepare("INSERT INTO documents(rowid, body) VALUES (?, ?)");
    database.exec("BEGIN");
    // SQLite takes no row 0.
    texts.forEach((text, row) => insert.run(row + 1, text));
    database.exec("COMMIT");
    database.exec("INSERT INTO documents(documents) VALUES ('optimize')");
    const buildCpuUs = cpuUsSince(buildStart) / texts.length;
    const select = database
      .prepare(`SELECT rowid FROM documents WHERE documents MATCH ? ORDER BY rank LIMIT ${BEST}`)
      .raw(true);
    const matches = queryTexts.map((text) =>
      text
        .split(" ")
        .map((term) => `"${term}"`)
        .join(" OR "),
    );
    const searchStart = process.cpuUsage();
    const found = matches.map((match) => (select.all(match) as [number][]).map(([rowid]) => rowid - 1));
    const searchCpuUs = cpuUsSince(searchStart) / matches.length;
    return { buildCpuUs, searchCpuUs, agreement: meanRecall(found, prismRows) };
  } finally {
    database.close();
  }
}

function cpuUsSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return user + system;
}
