/** Mean share of the true nearest rows that were found. Lists are matched by index. */
export function meanRecall(
  truth: readonly (readonly number[])[],
  found: readonly (readonly number[])[],
): number {
  if (truth.length === 0) return 0;
  let sum = 0;
  truth.forEach((rows, query) => {
    const given = new Set(found[query] ?? []);
    sum += rows.filter((row) => given.has(row)).length / Math.max(1, rows.length);
  });
  return sum / truth.length;
}
