/** Where an element of latents [c, h, w] lies in its frame's tokens [T, c p p]. */
export function patchIndex(
  [channel, y, x]: readonly [number, number, number],
  [channels, width]: readonly [number, number],
  patch: number,
): { token: number; feature: number } {
  const token = Math.floor(y / patch) * (width / patch) + Math.floor(x / patch);
  const feature = channel * patch ** 2 + (y % patch) * patch + x % patch;
  if (feature >= channels * patch ** 2) throw new RangeError(`no channel ${channel}`);
  return { token, feature };
}

/** One frame [c, h, w] as tokens [T, c p p]. */
export function patchifyReference(
  frame: ArrayLike<number>,
  [channels, height, width]: readonly [number, number, number],
  patch: number,
): Float32Array {
  const tokens = new Float32Array(frame.length);
  for (let i = 0; i < frame.length; i++) {
    const place = [Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width];
    const at = patchIndex(place as [number, number, number], [channels, width], patch);
    tokens[at.token * channels * patch ** 2 + at.feature] = frame[i]!;
  }
  return tokens;
}
