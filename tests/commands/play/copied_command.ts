import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readClip } from "../../../mod.ts";
import { inFolder } from "../../support/folder.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

const MOST_OFF = 1;

/**
 * Runs a command as a shell does, word for word, with one more output whose numbers are exact.
 * @param pixels [height, width, 3] of the last frame that it must make
 * @param cwd where it is run: where the page was started
 */
export async function assertCommandMakes(
  command: string,
  pixels: number[],
  cwd = ROOT,
): Promise<void> {
  assert.match(command, /^far generate .* --output walk\.mp4$/);
  await inFolder(async (folder) => {
    const script = `#!/bin/sh\nexec '${Deno.execPath()}' run -A --no-check '${ROOT}/cli.ts' "$@"\n`;
    await Deno.writeTextFile(join(folder, "far"), script, { mode: 0o755 });
    const exact = join(folder, "walk.npz");
    const here = command.replace("walk.mp4", `${folder}/walk.mp4`); // the test leaves nothing behind
    const { success, stderr } = await new Deno.Command("sh", {
      args: ["-c", `${here} --output '${exact}'`],
      cwd,
      env: { PATH: `${folder}:${Deno.env.get("PATH")}` },
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    const { frames } = await readClip(exact);
    const data = Array.from(frames.at(-1)!.data);
    assert.equal(data.length, pixels.length);
    const off = data.reduce((most, v, i) => Math.max(most, Math.abs(v - pixels[i]!)), 0);
    // frames are made together there: sums round differently
    assert.ok(off <= MOST_OFF, `a pixel is off by ${off} of 255`);
  });
}
