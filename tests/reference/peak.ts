/** The sum of eight chains x -> x * a + b of 4 `loops` steps, from value + 0, 1, ..., 7. */
export function peakFmaReference(value: number, loops: number, a: number, b: number): number {
  let sum = 0;
  for (let chain = 0; chain < 8; chain++) {
    let x = value + chain;
    for (let i = 0; i < 4 * loops; i++) x = x * a + b;
    sum += x;
  }
  return sum;
}
