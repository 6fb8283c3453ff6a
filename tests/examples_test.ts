import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { HAS_FFMPEG } from "./media/support/ffmpeg.ts";

const EXAMPLES = fileURLToPath(new URL("../examples", import.meta.url));

const CLIP = fileURLToPath(new URL("../weights/demo/clips/1.npz", import.meta.url));

/** Arguments that make an example short, what it leaves behind, and what it prints. */
interface Example {
  readonly args?: readonly string[];
  readonly files: readonly string[];
  readonly prints?: RegExp;
}

const RUNS: Readonly<Record<string, Example>> = {
  "01_generate.ts": { args: ["1"], files: ["walk.mp4"] },
  "02_continue_a_clip.ts": { args: [CLIP, "1"], files: ["continued.mp4"] },
  "03_custom_loop.ts": { args: ["2"], files: ["explore.mp4"] },
  "04_pipelines.sh": { args: ["1"], files: ["continued.mp4", "encoded.mkv", "large.mkv"] },
  "06_grid.ts": { args: ["2"], files: ["grid.mp4"] },
  "07_custom_sampler.ts": { args: ["2"], files: ["colourful.mp4"] },
  "08_flexrope.sh": { args: ["14"], files: ["flexrope-0.png", "flexrope-0.06.png"] },
  "09_train.ts": {
    args: ["1", CLIP],
    files: ["world.mp4", "world/model_index.json", "world/report.html"],
  },
};

for (const [name, { args = [], files, prints }] of Object.entries(RUNS)) {
  Deno.test({
    name: `examples/${name} works`,
    ignore: name === "04_pipelines.sh" && !HAS_FFMPEG,
    fn: async () => {
      const folder = await Deno.makeTempDir({ prefix: "far-example-" });
      const program = name.endsWith(".sh")
        ? { name: "sh", args: ["-eu", join(EXAMPLES, name)] }
        : { name: Deno.execPath(), args: ["run", "-A", "--quiet", join(EXAMPLES, name)] };
      const { success, stdout, stderr } = await new Deno.Command(program.name, {
        args: [...program.args, ...args],
        cwd: folder,
        env: { NO_COLOR: "1", PATH: `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}` },
      }).output();
      assert.ok(success, new TextDecoder().decode(stderr));
      if (prints) assert.match(new TextDecoder().decode(stdout), prints);
      for (const file of files) assert.ok((await Deno.stat(join(folder, file))).size > 0, file);
      await Deno.remove(folder, { recursive: true });
    },
  });
}

Deno.test("every example is run", () => {
  const names = [...Deno.readDirSync(EXAMPLES)].map(({ name }) => name).sort();
  assert.deepEqual(names, Object.keys(RUNS));
});
