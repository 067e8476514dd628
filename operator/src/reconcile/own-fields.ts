/**
 * Whether an object still says what its owner last said. The server adds defaults and other managers add fields of
 * their own, so what is wanted must be found in what is there, not be equal to it.
 */
import { parseQuantity } from "@prism/api/quantity";

/** Amounts come back in another unit than they were sent in. */
const QUANTITIES = new Set(["cpu", "memory", "storage", "sizeLimit"]);

/** Path of the first field that is not as wanted, such as `spec.replicas`; undefined when all are. */
export function firstDifference(wanted: unknown, live: unknown, path = ""): string | undefined {
  if (Array.isArray(wanted)) return listDifference(wanted, live, path);
  if (typeof wanted === "object" && wanted !== null) return objectDifference(wanted, live, path);
  if (wanted === live || isSameQuantity(wanted, live, path)) return undefined;
  // The server leaves out what is empty.
  return live === undefined && (wanted === "" || wanted === false || wanted === 0) ? undefined : path;
}

function objectDifference(wanted: object, live: unknown, path: string): string | undefined {
  if (live === undefined && Object.keys(wanted).length === 0) return undefined;
  if (typeof live !== "object" || live === null || Array.isArray(live)) return path;
  for (const [key, value] of Object.entries(wanted)) {
    if (value === undefined) continue;
    const member = (live as Readonly<Record<string, unknown>>)[key];
    const found = firstDifference(value, member, path === "" ? key : `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Lists of named things are merged by name; of any other list every element is the owner's. */
function listDifference(wanted: readonly unknown[], live: unknown, path: string): string | undefined {
  if (live === undefined && wanted.length === 0) return undefined;
  if (!Array.isArray(live)) return path;
  const names = wanted.map(nameOf);
  if (wanted.length > 0 && names.every((name) => name !== undefined)) {
    for (const [i, element] of wanted.entries()) {
      const other: unknown = live.find((candidate) => nameOf(candidate) === names[i]);
      const found = firstDifference(element, other, `${path}[${names[i]}]`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (wanted.length !== live.length) return path;
  for (const [i, element] of wanted.entries()) {
    const found = firstDifference(element, live[i], `${path}[${i}]`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function nameOf(element: unknown): string | undefined {
  const name = (element as { readonly name?: unknown } | undefined)?.name;
  return typeof name === "string" ? name : undefined;
}

function isSameQuantity(wanted: unknown, live: unknown, path: string): boolean {
  if (!QUANTITIES.has(path.slice(path.lastIndexOf(".") + 1))) return false;
  if (typeof wanted !== "string" || (typeof live !== "string" && typeof live !== "number")) return false;
  try {
    return parseQuantity(wanted) === parseQuantity(String(live));
  } catch {
    return false;
  }
}
