/** Which numbers an index can take as a vector: refused here, they would abort the process or yield NaN scores there. */
import type { VectorFieldSpec } from "./field.js";
import type { Violation } from "./problem-code.js";

/** A quarter of the largest float32, so that the square of a difference of two vectors fits too. */
const LARGEST_SQUARED_LENGTH = 3.4028234663852886e38 / 4;
/** Smallest normal float32: below it the length has no usable inverse. */
const SMALLEST_SQUARED_LENGTH = 1.1754943508222875e-38;

/** The first thing that keeps `values` from being a vector of `field`; undefined when nothing does. */
export function checkVector(
  field: VectorFieldSpec,
  values: readonly unknown[],
  pointer: string,
): Violation | undefined {
  if (values.length !== field.dimensions) {
    const detail = `has ${values.length} numbers; ${field.name} has ${field.dimensions} dimensions`;
    return { pointer, code: "wrongDimensions", detail };
  }
  let squaredLength = 0;
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i];
    if (typeof value !== "number") {
      return {
        pointer: `${pointer}/${i}`,
        code: "wrongFieldType",
        detail: "a vector is one list of numbers",
      };
    }
    const rounded = Math.fround(value);
    if (!Number.isFinite(rounded)) {
      return { pointer: `${pointer}/${i}`, code: "notFinite", detail: `${value} is no finite 32-bit float` };
    }
    squaredLength += rounded * rounded;
  }
  if (squaredLength > LARGEST_SQUARED_LENGTH) {
    return { pointer, code: "notFinite", detail: "the vector's length overflows 32-bit floats" };
  }
  if (field.metric === "cosine" && squaredLength < SMALLEST_SQUARED_LENGTH) {
    return {
      pointer,
      code: "zeroVector",
      detail: `metric cosine of ${field.name} needs a vector that is not zero`,
    };
  }
  return undefined;
}
