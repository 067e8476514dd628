/**
 * Fields of an object that somebody else has added to it, by what the server keeps of who wrote what
 * (https://kubernetes.io/docs/reference/using-api/server-side-apply/). What the server fills in is nobody's; what a
 * webhook adds to a write of the operator counts as the operator's.
 */
import type { ManagedFieldsEntry } from "@prism/kube-machinery/kube-object";
import { FIELD_MANAGER } from "../resources/owned-object.js";
import type { LiveObject } from "./workload-action.js";

export interface ForeignField {
  /** RFC 6901. */
  readonly pointer: string;
  /** `spec.template.spec.containers[sidecar]`, for people. */
  readonly path: string;
  readonly manager: string;
}

type Fields = Readonly<Record<string, unknown>>;
type Json = Record<string, unknown> | unknown[];

/**
 * What is in `wanted` is corrected, not taken out: who changes a field's value takes the field over, as if it were added.
 * In the order in which they can be taken out. Labels and annotations of the pod template are left out: tools mark
 * things there, and nodes go by none of it.
 */
export function foreignFields(live: LiveObject, wanted: object): readonly ForeignField[] {
  const entries = (live.metadata.managedFields ?? []).filter(({ subresource = "" }) => subresource === "");
  const own = merged(entries.filter(isOwn));
  const found = new Map<string, ForeignField>();
  for (const { manager, fieldsV1 } of entries.filter((entry) => !isOwn(entry))) {
    const spec = membersOf(fieldsV1)["f:spec"];
    const at = { live: live.spec, wanted: membersOf(wanted)["spec"], pointer: "/spec", path: "spec" };
    for (const field of walk(membersOf(spec), membersOf(own["f:spec"]), at)) {
      found.set(field.pointer, { ...field, manager });
    }
  }
  const pointers = [...found.keys()];
  const outermost = pointers.filter((one) => !pointers.some((other) => one.startsWith(`${other}/`)));
  return outermost.sort(lastFirst).map((pointer) => found.get(pointer)!);
}

/** The object as if nobody had added them. */
export function withoutFields(live: LiveObject, fields: readonly ForeignField[]): LiveObject {
  if (fields.length === 0) return live;
  const copy = structuredClone(live) as unknown as Json;
  for (const { pointer } of fields) remove(copy, pointer.slice(1).split("/").map(unescaped));
  return copy as unknown as LiveObject;
}

function isOwn({ manager }: ManagedFieldsEntry): boolean {
  return manager === FIELD_MANAGER;
}

interface Place {
  readonly live: unknown;
  readonly wanted: unknown;
  readonly pointer: string;
  readonly path: string;
}

function walk(theirs: Fields, ours: Fields, at: Place): Omit<ForeignField, "manager">[] {
  return Object.entries(theirs).flatMap(([key, value]) => {
    const place = key === "." ? undefined : placeOf(key, at);
    if (place === undefined || place.pointer === "/spec/template/metadata") return [];
    const members = membersOf(value);
    const own = ours[key];
    if (own !== undefined || place.wanted !== undefined) return walk(members, membersOf(own), place);
    const isWhole = Object.keys(members).length === 0 || Object.hasOwn(members, ".");
    return isWhole ? [{ pointer: place.pointer, path: place.path }] : walk(members, {}, place);
  });
}

/** Undefined: it is not there any more. */
function placeOf(key: string, { live, wanted, pointer, path }: Place): Place | undefined {
  const name = key.slice(2);
  if (key.startsWith("f:")) {
    if (!Object.hasOwn(membersOf(live), name)) return undefined;
    const [value, ours] = [membersOf(live)[name], membersOf(wanted)[name]];
    return { live: value, wanted: ours, pointer: `${pointer}/${escaped(name)}`, path: `${path}.${name}` };
  }
  if (!Array.isArray(live)) return undefined;
  const which = JSON.parse(name) as unknown;
  const isIt = (element: unknown): boolean =>
    key.startsWith("k:") ? hasKeys(element, which) : element === which;
  const index = live.findIndex(isIt);
  if (index < 0) return undefined;
  const ours: unknown = Array.isArray(wanted) ? wanted.find(isIt) : undefined;
  const label = key.startsWith("k:") ? Object.values(membersOf(which)).join(",") : String(index);
  return { live: live[index], wanted: ours, pointer: `${pointer}/${index}`, path: `${path}[${label}]` };
}

function hasKeys(element: unknown, keys: unknown): boolean {
  return Object.entries(membersOf(keys)).every(([key, value]) => membersOf(element)[key] === value);
}

function merged(entries: readonly ManagedFieldsEntry[]): Fields {
  return entries.reduce<Fields>((all, { fieldsV1 }) => union(all, membersOf(fieldsV1)), {});
}

function union(left: Fields, right: Fields): Fields {
  const all: Record<string, unknown> = { ...left };
  for (const [key, value] of Object.entries(right)) all[key] = union(membersOf(left[key]), membersOf(value));
  return all;
}

function membersOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

/** Of two elements of a list the later one goes first: the other keeps its place. */
function lastFirst(left: string, right: string): number {
  return right.localeCompare(left, "en", { numeric: true });
}

function remove(from: Json, [head = "", ...rest]: readonly string[]): void {
  if (rest.length > 0) {
    const next = (from as Record<string, unknown>)[head];
    if (typeof next === "object" && next !== null) remove(next as Json, rest);
  } else if (Array.isArray(from)) from.splice(Number(head), 1);
  else delete from[head];
}

function escaped(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

function unescaped(part: string): string {
  return part.replaceAll("~1", "/").replaceAll("~0", "~");
}
