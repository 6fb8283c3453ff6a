import assert from "node:assert/strict";
import { join } from "node:path";
import { main } from "../../../cli.ts";
import { inFolder } from "../../support/folder.ts";
import { onTestGpu } from "../../support/gpu.ts";
import { recorder } from "../../support/recorder.ts";
import { writeClips } from "../../support/tiny_autoencoder.ts";

async function far(...args: string[]) {
  const terminal = recorder();
  const status = await onTestGpu(() => main(args, terminal));
  return { status, stdout: terminal.stdout, stderr: terminal.stderr.join("\n") };
}

Deno.test("far train CLIPS -o DIR makes a world that plays", () =>
  inFolder(async (folder) => {
    const clips = await writeClips(folder, { clips: 4, frames: 4, size: 16 });
    for (let i = 0; i < 4; i++) {
      await Deno.writeTextFile(join(clips, `${i}.txt`), i % 2 ? "left right*2 left" : "right*4");
    }
    const world = join(folder, "world");
    const asked = ["train", clips, "-o", world, "--steps", "1", "--vae-steps", "1"];
    const every = ["--validate-every", "0", "--sample-every", "0"];
    const small = ["--batch", "2", "--loss", "l1=0,mse=1", "--latent-noise", "0.1", ...every];
    const made = await far(...asked, ...small);
    assert.equal(made.status, 0, made.stderr);
    assert.match(made.stderr, /clips +4, 16x16, the shortest of 4 frames; actions left, right/);
    assert.match(made.stderr, /autoencoder +8x, [\d,]+ parameters, .* MB, 1 step in about/);
    assert.match(made.stderr, /transformer +FAR, 8 layers of 192, 4 frames a clip/);
    assert.match(made.stdout, /far play -m .*world plays it/);
    const settings = await Deno.readTextFile(join(world, "autoencoder", "settings.json"));
    const { loss, latentNoise } = JSON.parse(settings);
    assert.deepEqual([loss.l1, loss.mse, loss.edges, latentNoise], [0, 1, 0.5, 0.1]);
    const info = JSON.parse(await Deno.readTextFile(join(world, "far.json")));
    assert.deepEqual(info.actions, ["left", "right"]);
    const { context, context_frames, size, actions } = info.defaults;
    assert.deepEqual([context, context_frames, size], ["clips/0.npz", 2, "16x16"]);
    assert.match(actions, /^(left|right)/);
    const out = join(folder, "v.npz");
    const played = await far(
      "generate",
      "-m",
      world,
      "-o",
      out,
      "-n",
      "2",
      "--steps",
      "1",
      "-a",
      "left*2",
    );
    assert.equal(played.status, 0, played.stderr);
    const again = await far(...asked, ...small);
    assert.equal(again.status, 0, again.stderr);
  }));

Deno.test("far train CLIPS refuses sizes that no compression divides, and half choices", () =>
  inFolder(async (folder) => {
    const clips = await writeClips(folder, { clips: 1, frames: 2, size: 12 });
    const odd = await far("train", clips, "-o", join(folder, "w"));
    assert.equal(odd.status, 1, odd.stderr);
    assert.match(odd.stderr, /pictures of 12x12: no compression divides them; give a --size/);
    const lora = await far("train", clips, "-o", join(folder, "w"), "--lora", "4");
    assert.equal(lora.status, 2);
    assert.match(lora.stderr, /Cannot use --lora for an autoencoder and a transformer at once/);
    const network = await far("train", clips, "-o", join(folder, "w"), "--lpips", "none.pth");
    assert.equal(network.status, 1);
    const config = await far("train", clips, "-o", join(folder, "w"), "--vae-config", "c.json");
    assert.match(config.stderr, /Cannot use --vae-config/);
    const loss = await far("train", clips, "-o", join(folder, "w"), "--loss", "l2=1");
    assert.equal(loss.status, 2);
    assert.match(loss.stderr, /Cannot use --loss l2=1: give weights such as l1=1,edges=0\.5/);
    const sized = await far("train", clips, "-o", "w", "-m", "demo", "--model-size", "base");
    assert.match(sized.stderr, /Cannot use --model-size: the sizes of the model are given/);
  }));
