/** metav1.Condition: what an object's controller says of it. */
export interface Condition<Type extends string = string> {
  readonly type: Type;
  readonly status: "True" | "False" | "Unknown";
  /** CamelCase, for programs. */
  readonly reason: string;
  /** For people. */
  readonly message: string;
  /** `metadata.generation` that this was said of. */
  readonly observedGeneration: number;
  /** ISO 8601, of the last change of `status`. */
  readonly lastTransitionTime: string;
}

export type ConditionValue<Type extends string = string> = Omit<Condition<Type>, "lastTransitionTime">;

/**
 * The list with this condition in it, in its old place; the same list when nothing but the time would
 * change. The time changes with the status alone, and an older generation's word does not replace a newer one's.
 */
export function withCondition<Type extends string>(
  conditions: readonly Condition<Type>[],
  value: ConditionValue<Type>,
  nowMs: number,
): readonly Condition<Type>[] {
  const index = conditions.findIndex(({ type }) => type === value.type);
  const before = conditions[index];
  if (before && before.observedGeneration > value.observedGeneration) return conditions;
  const isSameStatus = before?.status === value.status;
  const condition: Condition<Type> = {
    ...value,
    lastTransitionTime: isSameStatus ? before.lastTransitionTime : conditionTime(nowMs),
  };
  if (!before) return [...conditions, condition];
  const isSame =
    isSameStatus &&
    before.reason === value.reason &&
    before.message === value.message &&
    before.observedGeneration === value.observedGeneration;
  return isSame ? conditions : conditions.with(index, condition);
}

export function withoutCondition<Type extends string>(
  conditions: readonly Condition<Type>[],
  type: Type,
): readonly Condition<Type>[] {
  return conditions.some((condition) => condition.type === type)
    ? conditions.filter((condition) => condition.type !== type)
    : conditions;
}

/** Whether the condition is true of this generation; what was said of an earlier one does not count. */
export function isConditionTrue(conditions: readonly Condition[], type: string, generation: number): boolean {
  const condition = conditions.find((one) => one.type === type);
  return condition?.status === "True" && condition.observedGeneration >= generation;
}

/** metav1.Time has whole seconds: the server would cut the rest off, and the object would differ from what was written. */
function conditionTime(nowMs: number): string {
  return new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z");
}
