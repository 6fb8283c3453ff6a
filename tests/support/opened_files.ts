import { sep } from "node:path";
import { FileSource } from "../../files/file_source.ts";

/** The files of a model without far.json, each opened once. */
export const MODEL_FILES: Readonly<Record<string, number>> = {
  "model_index.json": 1,
  "scheduler/scheduler_config.json": 1,
  "transformer/config.json": 1,
  "transformer/diffusion_pytorch_model.safetensors": 1,
  "vae/config.json": 1,
  "vae/diffusion_pytorch_model.safetensors": 1,
};

/** How often files of a folder were opened while `body` ran, by their paths from there. */
export async function openedFiles(
  folder: string,
  body: () => Promise<unknown>,
): Promise<Record<string, number>> {
  const { open } = FileSource;
  const opened: Record<string, number> = {};
  const root = `${await Deno.realPath(folder)}${sep}`;
  FileSource.open = async (path) => {
    const place = await Deno.realPath(path).catch(() => path);
    const name = place.slice(root.length).replaceAll("\\", "/");
    if (place.startsWith(root)) opened[name] = (opened[name] ?? 0) + 1;
    return await open.call(FileSource, path);
  };
  try {
    await body();
  } finally {
    FileSource.open = open;
  }
  return Object.fromEntries(Object.entries(opened).sort());
}
