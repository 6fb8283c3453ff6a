/** y + gate * x, the gate's d floats chosen by row. */
export function gatedAddReference(
  y: Float32Array,
  x: Float32Array,
  d: number,
  gate: (row: number) => ArrayLike<number>,
): Float32Array {
  return y.map((old, i) => old + gate(Math.floor(i / d))[i % d]! * x[i]!);
}
