import { encodeNpz } from "../../media/npz.ts";
import { type ClipOptions, readClip, toFloat, toRgb } from "../../mod.ts";
import type { View } from "./judge.ts";
import type { Walk } from "./walks.ts";

/** Writes a walk as an .npz of `video` and `actions`, as `far train` and `far evaluate` read it. */
export async function writeClip(path: string, { views, actions }: Walk): Promise<void> {
  const size = Math.sqrt(views[0]!.length / 3);
  const data = new Uint8Array(views.length * views[0]!.length);
  for (const [i, view] of views.entries()) data.set(view, i * view.length);
  const arrays = {
    video: { type: "|u1" as const, shape: [views.length, size, size, 3], data },
    actions: {
      type: "<i8" as const,
      shape: [actions.length],
      data: BigInt64Array.from(actions, BigInt),
    },
  };
  await Deno.writeFile(path, encodeNpz(arrays));
}

/** The views of a clip and the moves that led to them. */
export async function readViews(
  path: string,
  options: ClipOptions = {},
): Promise<{ views: View[]; actions: number[] }> {
  const { frames, actions } = await readClip(path, options);
  return {
    views: frames.map((frame) => toRgb(frame).data),
    actions: actions!,
  };
}

/** Views as a context, [views, 3, side, side] in [0, 1], with its sizes. */
export function contextOf(views: readonly View[]) {
  const side = Math.sqrt(views[0]!.length / 3);
  const context = new Float32Array(views.length * 3 * side * side);
  for (const [i, data] of views.entries()) {
    context.set(toFloat({ width: side, height: side, data }).data, i * 3 * side * side);
  }
  return { context, contextFrames: views.length, width: side, height: side };
}
