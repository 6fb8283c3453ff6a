/** Plain loops: each pixel's channels by their root mean square (eps 1e-5), weight and bias. */
export function channelNormReference(
  x: Float32Array,
  weight: Float32Array,
  bias: Float32Array,
  channels: number,
): Float32Array {
  const y = new Float32Array(x.length);
  for (let first = 0; first < x.length; first += channels) {
    let squares = 0;
    for (let c = 0; c < channels; c++) squares += x[first + c]! ** 2;
    const root = Math.sqrt(squares / channels + 1e-5);
    for (let c = 0; c < channels; c++) y[first + c] = x[first + c]! / root * weight[c]! + bias[c]!;
  }
  return y;
}
