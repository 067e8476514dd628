/** Kubernetes' quantities: 500m, 2, 1.5Gi, 20G. k8s.io/apimachinery, pkg/api/resource. */
import * as z from "zod";

const QUANTITY = /^(\d+(?:\.\d+)?|\.\d+)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$/;

const FACTORS: Readonly<Record<string, number>> = {
  "": 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** Bytes, or processors. @throws {RangeError} when it is none. */
export function parseQuantity(text: string): number {
  const match = QUANTITY.exec(text);
  if (match === null) throw new RangeError(`${JSON.stringify(text)} is no quantity`);
  return Number(match[1]) * (FACTORS[match[2] ?? ""] ?? 1);
}

const MESSAGE = "must be a quantity, such as 2, 500m, 4Gi or 20G";

/** Numbers are taken too, for YAML makes one of `cpu: 2`. */
export const quantity = z
  .union([z.int().min(0), z.string().max(32).regex(QUANTITY, MESSAGE)], MESSAGE)
  .transform(String);
