/**
 * The house rules that a linter does not know. Each rule is a pure function from a source file to
 * violations; tidy.ts reads the tree and prints them. A ban names what to do instead.
 */

export interface SourceFile {
  /** Relative to the repository, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export interface TidyViolation {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

type Rule = (file: SourceFile, lines: readonly string[]) => TidyViolation[];

const TEST_FILE = /\.test\.ts$|\/testing\//;
const DOMAIN_FILE = /\/src\/domain\//;

/** What each workspace may import of the others; `dataplane` may be started by the operator, not used by it. */
const ALLOWED_PACKAGES: Readonly<Record<string, readonly string[]>> = {
  api: [],
  proto: [],
  dataplane: ["api", "proto"],
  "kube-machinery": [],
  operator: ["api", "proto", "kube-machinery"],
  client: ["api", "proto"],
  cli: ["api", "client", "kube-machinery", "operator"],
  demo: ["api", "client", "operator"],
  bench: ["api", "client", "dataplane", "e2e", "kube-machinery", "operator", "proto"],
  test: ["api", "client", "dataplane", "operator", "proto"],
  scripts: ["api", "proto"],
  sim: ["api", "client", "dataplane", "operator", "proto"],
  e2e: ["api", "client", "demo", "test"],
};

/** Folders of one package that may not import each other: [where, what, why]. */
const FORBIDDEN_IMPORTS: readonly (readonly [where: RegExp, what: RegExp, why: string])[] = [
  [
    /^dataplane\/src\/engine\//,
    /\/(services|adapters\/(http|grpc|lmdb)|worker)\//,
    "the engine knows documents and indexes, not where requests come from",
  ],
  [
    /^dataplane\/src\/services\//,
    /\/(adapters|worker|engine)\//,
    "services call ports; main wires the adapters",
  ],
  [
    /^operator\/src\/(domain|reconcile)\//,
    /\/adapters\//,
    "decisions and reconcile call ports; main wires the adapters",
  ],
  [/^client\/src\//, /^(@grpc\/|fastify|lmdb|usearch)/, "the SDK speaks HTTP alone"],
];

const IMPURE: readonly (readonly [pattern: RegExp, message: string])[] = [
  [/\bDate\.now\b|\bnew Date\(\s*\)/, "reads the clock: take nowMs as an argument"],
  [/\bMath\.random\b|\brandomUUID\b/, "draws at random: take a seed or an id as an argument"],
  [/\bperformance\.now\b|\bprocess\.|\bconsole\.|\bglobalThis\b|\bfetch\(/, "does IO: move it to an adapter"],
  [
    /\bsetTimeout\b|\bsetInterval\b|\bsetImmediate\b|\bqueueMicrotask\b/,
    "waits: return what is to be done and when",
  ],
  [/\basync\b|\bawait\b|\bPromise\b|\bimport\(/, "is asynchronous: decisions are synchronous"],
];

const BANNED_FILE_NAMES = /(^|\/)(utils?|helpers?|common|misc|manager|types)(\.ts|\/)/;
const BANNED_TEXT: readonly (readonly [pattern: RegExp, message: string])[] = [
  [/\b(TODO|FIXME|XXX|HACK)\b/, "left for later: do it, or say it in the change log"],
  [/\b(it|test|describe)\.(skip|only|todo)\b/, "skips or focuses a test"],
  [/registry\.npmjs|registry\.yarnpkg/, "names a registry's host"],
  [/["'`(]\/(work|root|home)\/[a-z]/, "holds a path of one machine"],
];

export const RULES: Readonly<Record<string, Rule>> = {
  domainIsPure: (file, lines) => {
    if (!DOMAIN_FILE.test(file.path) || TEST_FILE.test(file.path)) return [];
    return lines.flatMap((line, i) =>
      IMPURE.filter(([pattern]) => pattern.test(line)).map(([, message]) =>
        at(file, i, `domain code ${message}`),
      ),
    );
  },

  domainImportsDomain: (file, lines) => {
    if (!DOMAIN_FILE.test(file.path) || TEST_FILE.test(file.path)) return [];
    return importsOf(lines).flatMap(({ line, specifier }) =>
      isDomainImport(file.path, specifier)
        ? []
        : [at(file, line, `domain code imports ${specifier}: only domain, @prism/api and @prism/proto`)],
    );
  },

  packagesKeepTheirBounds: (file, lines) => {
    const workspace = file.path.split("/")[0] ?? "";
    const allowed = ALLOWED_PACKAGES[workspace];
    if (allowed === undefined) return [];
    return importsOf(lines).flatMap(({ line, specifier }) => {
      const other = /^@prism\/([a-z0-9-]+)/.exec(specifier)?.[1];
      const crossed = other !== undefined && other !== workspace && !allowed.includes(other);
      return crossed ? [at(file, line, `${workspace} may not import @prism/${other}`)] : [];
    });
  },

  foldersKeepTheirBounds: (file, lines) => {
    if (TEST_FILE.test(file.path)) return [];
    return importsOf(lines).flatMap(({ line, specifier }) =>
      FORBIDDEN_IMPORTS.filter(([where, what]) => where.test(file.path) && what.test(specifier)).map(
        ([, , why]) => at(file, line, `may not import ${specifier}: ${why}`),
      ),
    );
  },

  machineryKnowsNoProduct: (file) => {
    // Comments and strings too: what any operator could use is kept free of this one.
    if (!file.path.startsWith("kube-machinery/")) return [];
    return file.text
      .split("\n")
      .flatMap((line, i) =>
        /prism/i.test(line) ? [at(file, i, "names Prism: kube-machinery does not know who uses it")] : [],
      );
  },

  onlyTheEdgeReadsTheEnvironment: (file, lines) => {
    // A child process inherits the environment of its parent: whoever starts one reads it.
    const edge = /\/(main|config|child-process)\.ts$|^vitest\.|^(scripts|demo|bench|test|cli|sim|e2e)\//;
    if (TEST_FILE.test(file.path) || edge.test(file.path)) return [];
    return lines.flatMap((line, i) =>
      /\bprocess\.(env|argv)\b/.test(line)
        ? [at(file, i, "reads process.env or argv: only main.ts and config.ts do")]
        : [],
    );
  },

  filesAreNamedForTheirNoun: (file) => {
    if (BANNED_FILE_NAMES.test(file.path))
      return [at(file, 0, "name the file for its main noun, not for a drawer")];
    if (/\/src\/.*\/index\.ts$/.test(file.path))
      return [at(file, 0, "is a barrel: import from the file itself")];
    return /[A-Z_]/.test(file.path.split("/").at(-1) ?? "") ? [at(file, 0, "file names are kebab-case")] : [];
  },
};

/** Rules over the raw text, comments and strings included. */
export function checkText(file: SourceFile): TidyViolation[] {
  return file.text
    .split("\n")
    .flatMap((line, i) =>
      BANNED_TEXT.filter(([pattern]) => pattern.test(line)).map(([, message]) => at(file, i, message)),
    );
}

/** All violations of one TypeScript file. */
export function checkSource(file: SourceFile): TidyViolation[] {
  const lines = codeLines(file.text);
  return [...Object.values(RULES).flatMap((rule) => rule(file, lines)), ...checkText(file)];
}

/** Versions in a package.json that are not exact. */
export function checkPins(file: SourceFile): TidyViolation[] {
  const manifest = JSON.parse(file.text) as Record<string, unknown>;
  const sections = ["dependencies", "devDependencies", "overrides"].map((name) => manifest[name] ?? {});
  return sections.flatMap((section) =>
    Object.entries(section as Record<string, unknown>)
      .filter(([, version]) => typeof version === "string" && !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
      .map(([name, version]) => at(file, 0, `${name} is not pinned exactly: ${String(version)}`)),
  );
}

function at(file: SourceFile, line: number, message: string): TidyViolation {
  return { path: file.path, line: line + 1, message };
}

/** The file's lines with comments and the insides of strings blanked, so that words in them do not count; imports stay. */
export function codeLines(text: string): string[] {
  const blanked = text.replaceAll(/\/\*[\s\S]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, " "));
  return blanked.split("\n").map((line) => {
    if (/^\s*(import|export)\b.*\bfrom\b/.test(line) || /^\}? from\b/.test(line)) return line;
    return line.replaceAll(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g, '""').replace(/(^|\s)\/\/.*$/, "");
  });
}

function importsOf(lines: readonly string[]): { line: number; specifier: string }[] {
  return lines.flatMap((text, line) => {
    const specifier =
      /\bfrom\s+["']([^"']+)["']/.exec(text)?.[1] ?? /^import\s+["']([^"']+)["']/.exec(text)?.[1];
    return specifier === undefined ? [] : [{ line, specifier }];
  });
}

function isDomainImport(path: string, specifier: string): boolean {
  if (/^@prism\/(api|proto)\//.test(specifier)) return true;
  if (!specifier.startsWith(".")) return specifier === "stemmer";
  const base = path.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") base.pop();
    else if (part !== ".") base.push(part);
  }
  return DOMAIN_FILE.test(base.join("/"));
}
