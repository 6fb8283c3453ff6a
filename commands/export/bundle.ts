import { fileURLToPath } from "node:url";

const ENTRY = new URL("../../player/exported.js", import.meta.url);
/** Names the packages; far may run in any folder. */
const CONFIG = new URL("../../deno.json", import.meta.url);

/**
 * Bundles the player into one script, by Deno's own bundler.
 * @returns its bytes
 * @throws {Error} the bundler is missing or cannot be fetched
 */
export async function bundlePlayer(to: string): Promise<number> {
  if (ENTRY.protocol !== "file:" || Deno.build.standalone) {
    throw new Error(
      "Cannot bundle the player: a compiled far has no bundler; run far export from its source",
    );
  }
  const config = ["--config", fileURLToPath(CONFIG)];
  const args = [
    "bundle",
    "--quiet",
    ...config,
    "--platform",
    "browser",
    "--minify",
    "--output",
    to,
  ];
  const command = new Deno.Command(Deno.execPath(), {
    args: [...args, fileURLToPath(ENTRY)],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  });
  const { success, stderr } = await command.output();
  if (success) return (await Deno.stat(to)).size;
  const why = new TextDecoder().decode(stderr).trim().split("\n")[0] ?? "it gives no reason";
  throw new Error(
    `Cannot bundle the player: ${why}. The bundler is fetched from npm once: is the network there?`,
  );
}
