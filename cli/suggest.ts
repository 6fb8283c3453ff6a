/** ` (did you mean "frames"?)` if a known name is close to the unknown one, otherwise empty. */
export function didYouMean(unknown: string, known: Iterable<string>): string {
  const near = nearest(unknown, known);
  return near === undefined ? "" : ` (did you mean "${near}"?)`;
}

/** The known name with the fewest edits, if at most a third of its letters must change. */
export function nearest(unknown: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let fewest = Infinity;
  for (const name of known) {
    const most = Math.floor(Math.max(name.length, unknown.length) / 3);
    if (Math.abs(name.length - unknown.length) > most) continue; // a stranger's may be endless
    const edits = editDistance(unknown.toLowerCase(), name.toLowerCase());
    if (edits <= most && edits < fewest) [best, fewest] = [name, edits];
  }
  return best;
}

/** Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let edits = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        edits = Math.min(edits, rows[i - 2]![j - 2]! + 1);
      }
      row.push(edits);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
