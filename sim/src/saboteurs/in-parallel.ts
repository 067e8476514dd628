/** Runs over a list, some at a time; results in order of the list. */
export async function inParallel<T, R>(
  list: readonly T[],
  atATime: number,
  run: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < list.length) {
      const at = next;
      next += 1;
      results[at] = await run(list[at]!);
    }
  };
  await Promise.all(Array.from({ length: atATime }, lane));
  return results;
}
