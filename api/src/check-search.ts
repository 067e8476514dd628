/**
 * A search against its collection: everything that is wrong with it, at once. Pure. A request without
 * violations can be executed; dates in filters are still text (parseDate).
 */
import { checkConsistency } from "./consistency.js";
import { hint } from "./did-you-mean.js";
import { describeWrongDate, describeWrongNumber, wrongValue } from "./field-value.js";
import type { WrongValue } from "./field-value.js";
import { fieldsByName, ID_FIELD } from "./field.js";
import type { FieldSpec, FieldType } from "./field.js";
import type { CollectionSpec } from "./collection.js";
import { describeLimit } from "./limits.js";
import type { LimitName, Limits } from "./limits.js";
import type { ProblemCode, Violation } from "./problem-code.js";
import { toPointer } from "./schema.js";
import { checkSearchSize } from "./search-size.js";
import type { Aggregation, CountRequest, Filter, SearchQuery, SearchRequest } from "./search.js";
import { checkVector } from "./vector-values.js";

type Path = readonly (string | number)[];

const AGGREGATED: readonly FieldType[] = ["keyword", "integer", "long", "float", "boolean", "date"];
const MEASURED: readonly FieldType[] = ["integer", "long", "float", "date"];

/** @returns every violation; empty when the search can be executed. */
export function checkSearch(
  request: SearchRequest | CountRequest,
  spec: CollectionSpec,
  limits: Limits,
): Violation[] {
  const tooLarge = checkSearchSize(request, limits);
  if (tooLarge.length > 0) return tooLarge;
  const check = new SearchCheck(spec, limits);
  request.queries.forEach((query, i) => check.query(query, ["queries", i]));
  if (request.filter !== undefined) check.filter(request.filter, ["filter"]);
  check.settings(request);
  if ("limit" in request) check.page(request);
  return check.violations;
}

class SearchCheck {
  readonly violations: Violation[] = [];
  readonly #spec: CollectionSpec;
  readonly #fields: ReadonlyMap<string, FieldSpec>;
  readonly #limits: Limits;

  constructor(spec: CollectionSpec, limits: Limits) {
    this.#spec = spec;
    this.#fields = fieldsByName(spec.fields);
    this.#limits = limits;
  }

  #add(path: Path, code: ProblemCode, detail: string): void {
    this.violations.push({ pointer: toPointer(path), code, detail });
  }

  #limit(path: Path, value: number, limit: LimitName, what = String(value)): void {
    if (value <= this.#limits[limit]) return;
    this.#add(path, "limitExceeded", `${what} is too many, ${describeLimit(limit, this.#limits)}`);
  }

  /** The field of that name; adds unknownField with the names that may have been meant. */
  #field(name: string, path: Path, types?: readonly FieldType[]): FieldSpec | undefined {
    const field = this.#fields.get(name);
    if (field !== undefined) return field;
    const fitting = this.#spec.fields.filter((one) => types === undefined || types.includes(one.type));
    const meant = hint(name, fitting.length > 0 ? fitting.map((one) => one.name) : this.#fields.keys());
    this.#add(path, "unknownField", `${this.#spec.name} has no field ${JSON.stringify(name)}${meant}`);
    return undefined;
  }

  query(query: SearchQuery, path: Path): void {
    if ("text" in query) {
      const names = Object.keys(query.text.fields);
      if (names.length === 0)
        this.#add([...path, "text", "fields"], "invalidRequest", "must name a text field");
      names.forEach((name) => this.#textField(name, [...path, "text", "fields", name]));
      return;
    }
    const { field: name, values, candidates } = query.vector;
    const at = [...path, "vector"];
    this.#limit([...at, "candidates"], candidates, "candidates");
    const field = this.#field(name, [...at, "field"], ["vector"]);
    if (field === undefined) return;
    if (field.type !== "vector") {
      this.#add(
        [...at, "field"],
        "wrongFieldType",
        `${name} is ${field.type}; a vector query needs a vector field`,
      );
      return;
    }
    const violation = checkVector(field, values, toPointer([...at, "values"]));
    if (violation !== undefined) this.violations.push(violation);
  }

  #textField(name: string, path: Path): void {
    const field = this.#field(name, path, ["text"]);
    if (field === undefined || field.type === "text") return;
    const advice = field.type === "keyword" ? "; use a filter (equals) for whole values" : "";
    this.#add(path, "wrongFieldType", `${name} is ${field.type}; a text query needs a text field${advice}`);
  }

  filter(filter: Filter, path: Path): void {
    if ("and" in filter) return filter.and.forEach((part, i) => this.filter(part, [...path, "and", i]));
    if ("or" in filter) return filter.or.forEach((part, i) => this.filter(part, [...path, "or", i]));
    if ("not" in filter) return this.filter(filter.not, [...path, "not"]);
    if (filter.field === ID_FIELD) return this.#idFilter(filter, path);
    const field = this.#field(filter.field, [...path, "field"]);
    if (field === undefined || "exists" in filter) return;
    if ("equals" in filter) return this.#filterValue(field, filter.equals, [...path, "equals"]);
    if ("in" in filter) return this.#inValues(field, filter.in, [...path, "in"]);
    for (const key of ["gt", "gte", "lt", "lte"] as const) {
      const bound = filter[key];
      if (bound !== undefined) this.#rangeBound(field, bound, [...path, key]);
    }
  }

  #idFilter(filter: Extract<Filter, { field: string }>, path: Path): void {
    const values: readonly unknown[] =
      "equals" in filter ? [filter.equals] : "in" in filter ? filter.in : [undefined];
    if (values.every((value) => typeof value === "string")) return;
    this.#add(path, "wrongFieldType", "id takes equals and in with strings");
  }

  #inValues(field: FieldSpec, values: readonly (string | number | boolean)[], path: Path): void {
    const before = this.violations.length;
    values.forEach((value, i) => {
      // One wrong value of a list tells what is wrong with the rest.
      if (this.violations.length === before) this.#filterValue(field, value, [...path, i]);
    });
    if (values.length === 0 && (field.type === "text" || field.type === "vector"))
      this.#filterValue(field, "", path);
  }

  #filterValue(field: FieldSpec, value: string | number | boolean, path: Path): void {
    this.#wrongValue(field, describeWrongValue(field, value), path);
  }

  #wrongValue(field: FieldSpec, wrong: WrongValue | undefined, path: Path): void {
    if (wrong !== undefined) this.#add(path, wrong.code, `${field.name} is ${field.type}; ${wrong.detail}`);
  }

  #rangeBound(field: FieldSpec, bound: number | string, path: Path): void {
    switch (field.type) {
      case "date":
      case "keyword":
        return this.#filterValue(field, bound, path);
      case "integer":
      case "long":
      case "float":
        // Any finite number bounds whole numbers too, so the field's own range does not matter.
        return this.#wrongValue(field, describeWrongNumber("float", bound), path);
      case "text":
      case "boolean":
      case "vector":
        return this.#wrongValue(field, wrongValue("it takes no gt, gte, lt or lte"), path);
    }
  }

  settings({ consistency, timeoutMs }: SearchRequest | CountRequest): void {
    this.violations.push(...checkConsistency(consistency, ["consistency"]));
    if (timeoutMs !== undefined) this.#limit(["timeoutMs"], timeoutMs, "timeoutMs", `${timeoutMs} ms`);
  }

  page({ limit, offset, queries, fusion, aggregations, include }: SearchRequest): void {
    this.#limit(["limit"], limit + offset, "resultWindow", `limit + offset = ${limit + offset}`);
    if (queries.length > 1) this.#limit(["fusion", "window"], fusion.window, "resultWindow");
    for (const [name, aggregation] of Object.entries(aggregations)) {
      this.#aggregation(aggregation, ["aggregations", name]);
    }
    if (this.#spec.unknownFields === "Store") return;
    include?.forEach((name, i) => this.#field(name, ["include", i]));
  }

  #aggregation(aggregation: Aggregation, path: Path): void {
    if ("terms" in aggregation) {
      const { field, size } = aggregation.terms;
      this.#aggregated("terms", field, AGGREGATED, path);
      this.#limit([...path, "terms", "size"], size, "aggregationBuckets");
    } else if ("histogram" in aggregation) {
      this.#aggregated("histogram", aggregation.histogram.field, MEASURED, path);
    } else {
      this.#aggregated("stats", aggregation.stats.field, MEASURED, path);
    }
  }

  #aggregated(kind: string, name: string, types: readonly FieldType[], path: Path): void {
    const at = [...path, kind, "field"];
    const field = this.#field(name, at, types);
    if (field === undefined || types.includes(field.type)) return;
    this.#add(
      at,
      "wrongFieldType",
      `${name} is ${field.type}; ${kind} needs a field of type ${types.join(", ")}`,
    );
  }
}

/** What keeps a value from being compared with the field's values. */
function describeWrongValue(field: FieldSpec, value: string | number | boolean): WrongValue | undefined {
  switch (field.type) {
    case "text":
      return wrongValue("it takes no equals, in or range; use a text query, or a keyword field");
    case "vector":
      return wrongValue("it takes no equals, in or range; use a vector query");
    case "keyword":
      return typeof value === "string" ? undefined : wrongValue("the value must be a string");
    case "boolean":
      return typeof value === "boolean" ? undefined : wrongValue("the value must be true or false");
    case "date":
      return describeWrongDate(value);
    case "integer":
    case "long":
    case "float":
      return describeWrongNumber(field.type, value);
  }
}
