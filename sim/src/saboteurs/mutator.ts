/**
 * Small changes at every place of a module where one is possible: the questions "would anybody notice?"
 * of mutation testing (DeMillo, Lipton, Sayward, "Hints on Test Data Selection", 1978). Works on what the
 * compiler wrote, which has one statement per line.
 */
export interface Mutation {
  /** Where the replaced text begins and ends. */
  readonly from: number;
  readonly to: number;
  readonly replacement: string;
  readonly what: string;
  /** The line it is in, without the space around it. */
  readonly line: string;
}

interface Rule {
  readonly pattern: RegExp;
  readonly replacement: string;
}

const RULES: readonly Rule[] = [
  { pattern: / < /g, replacement: " <= " },
  { pattern: / <= /g, replacement: " < " },
  { pattern: / > /g, replacement: " >= " },
  { pattern: / >= /g, replacement: " > " },
  { pattern: / === /g, replacement: " !== " },
  { pattern: / !== /g, replacement: " === " },
  { pattern: / && /g, replacement: " || " },
  { pattern: / \|\| /g, replacement: " && " },
  { pattern: /Math\.max\b/g, replacement: "Math.min" },
  { pattern: /Math\.min\b/g, replacement: "Math.max" },
  { pattern: / \+ 1\b/g, replacement: "" },
  { pattern: / - 1\b/g, replacement: "" },
  { pattern: /\btrue\b/g, replacement: "false" },
  { pattern: /\bfalse\b/g, replacement: "true" },
  { pattern: /^ +(?:return|continue);$/gm, replacement: ";" },
];

/** A call or an assignment alone on its line. */
const STATEMENT =
  /^ +(?!#|return|const|let|throw|import|export|case|break|continue|default|if|for|while|else)[\w#.?[\]!]+(?:\(.*\)|(?: [-+]?| \?\?)= .*);$/gm;
const CONDITION = /\bif \(/g;

export function mutationsOf(text: string): Mutation[] {
  const code = withoutTexts(text);
  const found: Mutation[] = [];
  const add = (from: number, to: number, replacement: string): void => {
    const line = lineAt(text, from);
    const before = text.slice(from, to).trim();
    const after = replacement.trim();
    found.push({
      from,
      to,
      replacement,
      line,
      what: `${before} -> ${after === "" || after === ";" ? "(nothing)" : after}`,
    });
  };
  for (const { pattern, replacement } of RULES) {
    for (const match of code.matchAll(pattern)) add(match.index, match.index + match[0].length, replacement);
  }
  for (const match of code.matchAll(STATEMENT)) {
    if (isBalanced(match[0])) add(match.index, match.index + match[0].length, ";");
  }
  for (const match of code.matchAll(CONDITION)) {
    const open = match.index + match[0].length - 1;
    const close = closingParenthesis(code, open);
    if (close > 0) add(open, close + 1, `(!${text.slice(open, close + 1)})`);
  }
  return found.sort((one, other) => one.from - other.from || one.to - other.to);
}

export function mutated(text: string, { from, to, replacement }: Mutation): string {
  return text.slice(0, from) + replacement + text.slice(to);
}

/** The text with comments and string contents blanked out, so that what is found in it is code. */
function withoutTexts(text: string): string {
  const blank = (found: string): string => found.replace(/[^\n]/g, "_");
  return text.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g,
    blank,
  );
}

function lineAt(text: string, at: number): string {
  const start = text.lastIndexOf("\n", at) + 1;
  const skipped = text.slice(start).search(/\S/);
  const end = text.indexOf("\n", Math.max(at, start + skipped));
  return text.slice(start, end < 0 ? undefined : end).trim();
}

function isBalanced(line: string): boolean {
  return (
    line.split("(").length === line.split(")").length && line.split("{").length === line.split("}").length
  );
}

function closingParenthesis(code: string, open: number): number {
  let depth = 0;
  for (let at = open; at < code.length; at += 1) {
    if (code[at] === "(") depth += 1;
    if (code[at] === ")") depth -= 1;
    if (depth === 0) return at;
  }
  return -1;
}
