import assert from "node:assert/strict";
import { join } from "node:path";
import { main } from "../../../cli.ts";
import { inFolder } from "../../support/folder.ts";
import { recorder } from "../../support/recorder.ts";
import { TINY_AUTOENCODER, writeClips } from "../../support/tiny_autoencoder.ts";

async function far(...args: string[]) {
  const terminal = recorder();
  const status = await main(args, terminal);
  return { status, stdout: terminal.stdout, stderr: terminal.stderr.join("\n") };
}

Deno.test("far train --autoencoder makes what far encode and far train --vae take", () =>
  inFolder(async (folder) => {
    const clips = await writeClips(folder, { clips: 4, frames: 3, size: 16 });
    const [config, vae] = [join(folder, "vae.json"), join(folder, "vae")];
    await Deno.writeTextFile(config, JSON.stringify(TINY_AUTOENCODER));
    const asked = ["train", clips, "--autoencoder", "--vae-config", config, "-o", vae];
    const recipe = ["--steps", "2", "--batch", "2", "-n", "2", "--held-out", "0.25"];
    const preview = await far(...asked, ...recipe, "--dry-run");
    assert.equal(preview.status, 0, preview.stderr);
    assert.match(preview.stdout, /3 clips, 9 frames/);
    assert.match(preview.stdout, /step +4 pictures at once/);
    const trained = await far(...asked, ...recipe, "--loss", "l1=1,structure=0", "--ema", "0.5");
    assert.equal(trained.status, 0, trained.stderr);
    assert.match(trained.stdout, /^Wrote .*vae: 2 steps, loss \d/);
    assert.match(trained.stderr, /step 2: validation loss .*, PSNR \d+\.\d+ dB, SSIM/);
    const latents = join(folder, "l.safetensors");
    const encoded = await far("encode", join(clips, "0.npz"), "-m", vae, "-o", latents);
    assert.equal(encoded.status, 0, encoded.stderr);
    assert.match(encoded.stdout, /latents \[1, 3, 4, 2, 2\], unscaled/);
    const { status, stderr } = await far("generate", "-m", vae, "-o", join(folder, "v.npz"));
    assert.notEqual(status, 0);
    assert.match(stderr, /it is an autoencoder without a transformer/);
  }));

const REFUSED: readonly [string[], RegExp][] = [
  [["--autoencoder"], /Give the autoencoder to train/],
  [["--autoencoder", "--architecture", "FAR_B"], /architectures are 8x, 16x, 32x/],
  [["--autoencoder", "--architecture", "8x", "--lora", "4"], /--lora with --autoencoder/],
  [["--autoencoder", "--architecture", "8x", "--vae", "demo"], /--vae with --autoencoder/],
  [["--autoencoder", "--architecture", "8x", "--dtype", "f16"], /autoencoder in f16/],
  [["--autoencoder", "--architecture", "8x", "--loss", "l2=1"], /Cannot use --loss l2=1/],
  [["--autoencoder", "--architecture", "8x", "--loss", "l1=-1"], /Cannot use --loss l1=-1/],
  [["--autoencoder", "--architecture", "8x", "--disc-start", "-1"], /Cannot use --disc-start -1/],
  [["--autoencoder", "--architecture", "8x", "--disc-filters", "2"], /Cannot use --disc-filters 2/],
  [["--autoencoder", "--architecture", "8x", "--disc-weight", "1"], /without --disc-start/],
  [["--model", "demo", "--latent-noise", "0.1"], /--latent-noise without --autoencoder/],
  [["--model", "demo", "--disc-start", "10"], /--disc-start without --autoencoder/],
];

for (const [args, expected] of REFUSED) {
  Deno.test(`far train ${args.join(" ")} is refused`, async () => {
    const { status, stderr } = await far("train", "x.npz", "-o", "x", "--steps", "1", ...args);
    assert.equal(status, 2, stderr);
    assert.match(stderr, expected);
  });
}
