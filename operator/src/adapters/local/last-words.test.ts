import { describe, expect, test } from "vitest";
import { LastWords } from "./last-words.js";

function wordsOf(...chunks: readonly string[]): string {
  const words = new LastWords();
  for (const chunk of chunks) words.hear(Buffer.from(chunk));
  return words.text;
}

describe("the last words of a process", () => {
  test("are the detail of its fatal log line, wherever the chunks were cut", () => {
    const line = JSON.stringify({ level: 60, detail: "data/format.json is damaged", msg: "does not start" });
    expect(wordsOf('{"level":30,"msg":"starting"}\n', line.slice(0, 20), `${line.slice(20)}\n`)).toBe(
      "data/format.json is damaged",
    );
  });

  test("are its last plain line when it logged nothing fatal, even one without an end", () => {
    expect(wordsOf("usage\n", '{"level":30,"msg":"starting"}\n', "Segmentation fault")).toBe(
      "Segmentation fault",
    );
  });

  test("are bounded, and empty when nothing explains the end", () => {
    expect(wordsOf("x".repeat(100_000), "\n").length).toBeLessThanOrEqual(500);
    expect(wordsOf('{"level":30,"msg":"listening"}\n', "{broken\n")).toBe("");
  });
});
