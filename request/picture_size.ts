import type { Size } from "../cli/option.ts";
import type { ModelInfo } from "../mod.ts";

/** Latent side of the released models' pictures. */
const LATENT_SIDE = 8;

/** Size of the released models' pictures, in pixels. */
export function releasedSize({ compression }: Pick<ModelInfo, "compression">): Size {
  return { width: LATENT_SIDE * compression, height: LATENT_SIDE * compression };
}

/** The size among a model's defaults, if there is one. */
export function defaultSize({ size }: Readonly<Record<string, unknown>>): Size | undefined {
  const [, width, height] = /^(\d+)x(\d+)$/.exec(String(size)) ?? [];
  return width === undefined ? undefined : { width: Number(width), height: Number(height) };
}

/** The size that a model was trained at: among its defaults, else that of the released models. */
export function trainedSize(info: Pick<ModelInfo, "defaults" | "compression">): Size {
  return defaultSize(info.defaults) ?? releasedSize(info);
}
