/** Means of neighbouring channels, or each channel repeated: [pixels, from] to [pixels, to]. */
export function channelShortcutReference(
  x: Float32Array,
  from: number,
  to: number,
): Float32Array {
  const y = new Float32Array(x.length / from * to);
  for (let i = 0; i < y.length; i++) {
    const [pixel, channel] = [Math.floor(i / to), i % to];
    if (to >= from) y[i] = x[pixel * from + Math.floor(channel / (to / from))]!;
    else {
      const group = from / to;
      const first = pixel * from + channel * group;
      y[i] = x.subarray(first, first + group).reduce((sum, v) => sum + v, 0) / group;
    }
  }
  return y;
}
