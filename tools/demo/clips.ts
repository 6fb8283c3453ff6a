import { encodeNpz } from "../../media/npz.ts";
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
