export { isFile } from "../files/file_source.ts";

/** Whether there is a folder of that name. */
export async function isFolder(path: string): Promise<boolean> {
  return await Deno.stat(path).then((found) => found.isDirectory, () => false);
}

/** What is in a folder: nothing where there is none. */
export async function entriesIn(path: string): Promise<Deno.DirEntry[]> {
  return await Array.fromAsync(Deno.readDir(path)).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  });
}
