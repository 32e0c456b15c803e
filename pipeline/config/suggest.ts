/** The known word that was most likely meant, or undefined if none is near. */
export function closest(word: string, known: readonly string[]): string | undefined {
  const plain = simplify(word);
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(plain.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(plain, simplify(candidate), bestDistance);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  // Else a word that continues it, or that it continues: user for username, warning for warn.
  return best ?? known.find((candidate) => isBeginning(plain, simplify(candidate)));
}

function isBeginning(a: string, b: string): boolean {
  return Math.min(a.length, b.length) >= 3 && (a.startsWith(b) || b.startsWith(a));
}

/** What to do about an unknown word: `did you mean http?`, or the list of what is known. */
export function suggestion(word: string, known: readonly string[], noun: string): string {
  const meant = closest(word, known);
  if (meant !== undefined) return `did you mean ${meant}?`;
  return known.length === 0 ? `there are no ${noun} here` : `known ${noun}: ${[...known].sort().join(', ')}`;
}

/** `memoryLimiter`, `memory-limiter` and `memory_limiter` are the same word written in different habits. */
function simplify(word: string): string {
  return word.slice(0, 64).toLowerCase().replace(/[-_]/g, '');
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment), at most `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min(at(previous, j) + 1, at(row, j - 1) + 1, at(previous, j - 1) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, at(before, j - 2) + 1);
      row.push(cost);
    }
    [before, previous] = [previous, row];
  }
  return Math.min(limit, at(previous, b.length));
}

function at(row: readonly number[], index: number): number {
  return row[index] as number;
}
