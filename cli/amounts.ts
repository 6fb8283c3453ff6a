/** Amounts for people: `157`, `12.3 thousand`, `6.7 million`. */
export function countText(count: number): string {
  if (count < 10_000) return String(count);
  if (count < 1e6) return `${(count / 1e3).toFixed(1)} thousand`;
  return `${(count / 1e6).toFixed(1)} million`;
}

/** `12.3 MB`, whatever the size: for numbers in one table. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Bytes for people: `157 bytes`, `12.3 kB`, `5.2 MB`, `2.70 GB`. */
export function sizeText(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  if (bytes < 1e9) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
