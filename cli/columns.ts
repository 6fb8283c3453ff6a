/** Rows as lines with aligned cells. */
export function alignedRows(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) =>
    rows.reduce((most, row) => Math.max(most, row[i]!.length), 0)
  );
  return rows.map((row) =>
    `  ${row.map((cell, i) => cell.padEnd(widths[i]!)).join("  ")}`.trimEnd()
  );
}

/**
 * Rows for a screen: aligned if they fit, otherwise the first cell of each on its own line and the
 * others below it, wrapped between words.
 * @param columns characters per line
 */
export function fittedRows(rows: readonly (readonly string[])[], columns: number): string[] {
  const aligned = alignedRows(rows);
  if (aligned.every((line) => line.length <= columns)) return aligned;
  return rows.flatMap(([first = "", ...rest]) => [
    `  ${first}`,
    ...wrapped(rest.filter((cell) => cell !== "").join(", "), columns, "      "),
  ]);
}

/** Text in lines of at most so many characters, unless a word is longer. */
export function wrapped(text: string, columns: number, indent = ""): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= columns) {
      lines[lines.length - 1] = `${line} ${word}`;
    } else lines.push(indent + word);
  }
  return lines;
}
