import assert from "node:assert/strict";
import { join } from "node:path";
import { main } from "../../../cli.ts";
import { encodeNpz } from "../../../media/npz.ts";
import { createOutput } from "../../../media/output_file.ts";
import { readFloats, SafetensorsFile, writeSafetensors } from "../../../weights/safetensors.ts";
import { inFolder } from "../../support/folder.ts";
import { onTestGpu } from "../../support/gpu.ts";
import { recorder } from "../../support/recorder.ts";

const DMLAB = "tests/fixtures/clips/dmlab-5.npz";
const EMBEDDINGS = "tests/fixtures/goldens/embeddings.safetensors";
const CLIP = "weights/demo/clips/1.npz";

async function far(...args: string[]) {
  const terminal = recorder();
  const status = await onTestGpu(() => main(args, terminal));
  return { status, stdout: terminal.stdout, stderr: terminal.stderr };
}

async function withFile(path: string, use: (file: SafetensorsFile) => Promise<void>) {
  const file = await SafetensorsFile.open(path);
  try {
    await use(file);
  } finally {
    file.close();
  }
}

/** Runs a command that must succeed. */
async function done(...args: string[]) {
  const { status, stdout, stderr } = await far(...args);
  assert.equal(status, 0, stderr.join("\n"));
  return { stdout, stderr };
}

Deno.test("far encode and decode nearly restore a clip, as far compare shows", () =>
  inFolder(async (folder) => {
    const latents = join(folder, "l.safetensors");
    const again = join(folder, "r.safetensors");
    const { stdout } = await done("encode", CLIP, "-n", "3", "-o", latents);
    assert.match(stdout, /^Wrote .*l.safetensors: latents \[1, 3, 32, 4, 4\], unscaled\n$/);
    await withFile(latents, (file) => {
      assert.equal(file.metadata.get("scaling_factor"), "0.92");
      return Promise.resolve();
    });
    await done("decode", latents, "-o", again);
    const { overall, frames, warnings } = JSON.parse(
      (await done("compare", again, CLIP, "-n", "3", "--json")).stdout,
    );
    assert.equal(frames.length, 3);
    const { stdout: encoded } = await done("inspect", latents);
    assert.match(encoded, /far encode weights.*1\.npz --model demo --frames 3 --output .*l\.safe/);
    const { stdout: decoded } = await done("inspect", again, "--json");
    assert.match(
      JSON.stringify(JSON.parse(decoded).metadata),
      /far decode .*l.safetensors --model/,
    );
    assert(overall.psnr > 20, `PSNR ${overall.psnr}`); // the autoencoder is a small one
    assert(overall.ssim > 0.7, `SSIM ${overall.ssim}`);
    assert.deepEqual(warnings, []);
  }));

Deno.test("far decode undoes the scaling of far generate's latents", () =>
  inFolder(async (folder) => {
    const made = join(folder, "made.safetensors");
    const again = join(folder, "again.safetensors");
    const from = ["-n", "1", "-s", "1", "--context-frames", "1"];
    await done("generate", ...from, "-o", made);
    await done("decode", made, "-o", again);
    const { stdout } = await done("compare", made, again, "--json");
    const { frames } = JSON.parse(stdout);
    for (const { mse } of frames) assert(mse < 1e-10, `mse ${mse}`);
    await withFile(again, async (file) => {
      const unscaled = await readFloats(file, "latents");
      await withFile(made, async (scaled) => {
        const latents = await readFloats(scaled, "latents");
        for (const [i, value] of latents.entries()) {
          assert(Math.abs(value / 0.92 - unscaled[i]!) < 1e-5);
        }
      });
      assert.equal(file.metadata.get("scaling_factor"), "0.92"); // so that it is not undone twice
    });
  }));

Deno.test("far compare prints a table, and null for the PSNR of equal frames", async () => {
  const { stdout, stderr } = await done("compare", CLIP, CLIP, "-n", "2", "--stride", "3");
  assert.equal(
    stdout,
    "  frame          mse      psnr     ssim\n" +
      "      0    0.0000e+0       inf   1.0000\n" +
      "      3    0.0000e+0       inf   1.0000\n" +
      "all pixels are equal\n",
  );
  assert.deepEqual(stderr, []);
  const json = JSON.parse((await done("compare", CLIP, CLIP, "-n", "1", "--json")).stdout);
  assert.deepEqual(json.frames, [
    { video: 0, frame: 0, frame_b: 0, mse: 0, psnr: null, ssim: 1 },
  ]);
  assert.deepEqual(json.overall, { mse: 0, psnr: null, ssim: 1, psnrOfMse: null });
});

Deno.test("far compare sets one video against each of several", () =>
  inFolder(async (folder) => {
    const made = join(folder, "made.safetensors");
    const asked = ["--count", "2", "-a", "left*2", "-s", "1", "--context-frames", "2"];
    await done("generate", "-c", CLIP, ...asked, "-o", made);
    const { stdout } = await done("compare", CLIP, made, "-n", "4", "--json");
    const { videos, frames } = JSON.parse(stdout);
    assert.deepEqual([videos, frames.length], [2, 8]);
    assert.deepEqual([frames[4].video, frames[4].frame], [1, 0]);
    assert.deepEqual(frames[4].mse, frames[0].mse); // the same context frame
    assert.notDeepEqual(frames[7].mse, frames[3].mse);
    const turned = JSON.parse((await done("compare", made, CLIP, "-n", "4", "--json")).stdout);
    assert.deepEqual(turned.frames, frames);
    assert.match((await done("compare", CLIP, made, "-n", "4")).stdout, /\n {4}1\/3 /);
  }));

Deno.test("far compare brings both videos to one --size, by either method", async () => {
  const video = "tests/fixtures/clips/v_CliffDiving_g08_c03.mp4";
  const mse = async (...args: string[]) => {
    const { stdout } = await done("compare", video, video, "-n", "1", ...args, "--json", "-q");
    const { width, height, overall } = JSON.parse(stdout);
    return [width, height, overall.mse];
  };
  assert.deepEqual(await mse("--size", "64x48"), [64, 48, 0]);
  assert.deepEqual(await mse("--size", "64x64", "--resize", "bilinear"), [64, 64, 0]);
});

Deno.test("far encode --resize bilinear sees other pixels than by area", () =>
  inFolder(async (folder) => {
    const video = "tests/fixtures/clips/v_CliffDiving_g08_c03.mp4";
    const latents: Float32Array[] = [];
    for (const method of ["area", "bilinear"]) {
      const path = join(folder, `${method}.safetensors`);
      await done("encode", video, "-n", "1", "--size", "64x64", "--resize", method, "-o", path);
      await withFile(path, async (file) => {
        latents.push(await readFloats(file, "latents"));
        assert.match(file.metadata.get("comment")!, new RegExp(`--resize ${method} `));
      });
    }
    assert.notDeepEqual(latents[0], latents[1]);
  }));

Deno.test("far encode takes the middle of pictures that are not whole latents", () =>
  inFolder(async (folder) => {
    const [width, height, side] = [70, 68, 64];
    const pixel = (x: number, y: number) => [3 * x % 256, 5 * y % 256, (x * y) % 256];
    const write = async (name: string, left: number, top: number, w: number, h: number) => {
      const data = Uint8Array.from(
        Array.from({ length: w * h }, (_, i) => pixel(left + i % w, top + Math.floor(i / w)))
          .flat(),
      );
      const video = { type: "|u1", shape: [1, h, w, 3], data } as const;
      const path = join(folder, `${name}.npz`);
      await Deno.writeFile(path, encodeNpz({ video }));
      await done("encode", path, "-o", join(folder, `${name}.safetensors`));
      const file = await SafetensorsFile.open(join(folder, `${name}.safetensors`));
      return await readFloats(file, "latents").finally(() => file.close());
    };
    const middle = await write("middle", 3, 2, side, side);
    assert.deepEqual(await write("whole", 0, 0, width, height), middle);
  }));

Deno.test("far compare warns of lossy video", async () => {
  const video = "tests/fixtures/clips/v_CliffDiving_g08_c03.mp4";
  const { stderr } = await done("compare", video, video, "-n", "1");
  assert.equal(stderr.length, 2);
  assert.match(stderr[0]!, /^warning: ".*mp4" is lossy video, .*: compare \.npz/);
});

Deno.test("far compare refuses several videos against several others", () =>
  inFolder(async (folder) => {
    const paths = [2, 3].map((videos) => join(folder, `${videos}.safetensors`));
    for (const [i, path] of paths.entries()) {
      await using file = await createOutput(path);
      const shape = [2 + i, 1, 3, 8, 8];
      const data = new Uint8Array(4 * shape.reduce((a, b) => a * b));
      await writeSafetensors(file, [{ name: "frames", dtype: "F32", shape, data }], {});
      await file.commit();
    }
    const { status, stderr } = await far("compare", ...paths);
    assert.equal(status, 2);
    assert.match(
      stderr.join(),
      /^error: Cannot compare 2 videos of 1 frame with 3 videos of 1 frame:/,
    );
  }));

Deno.test("far encode, decode and compare refuse bad input in one line", () =>
  inFolder(async (folder) => {
    const out = join(folder, "l.safetensors");
    const video = "tests/fixtures/clips/v_CliffDiving_g08_c03.mp4";
    const cases: [number, RegExp, ...string[]][] = [
      [2, /missing required argument 'SRC'/i, "encode", "-o", out],
      [2, /must end in .safetensors/, "encode", CLIP, "-o", "l.npz"],
      [2, /sides must be multiples of 16/, "encode", CLIP, "--size", "40x64", "-o", out],
      [1, /^error: Cannot read "none.mp4"/, "encode", "none.mp4", "-o", out],
      [1, /has 32 frames, but/, "encode", CLIP, "--start", "32", "-o", out],
      [2, /Give an output/, "decode", out],
      [1, /there is no such file|no such file/i, "decode", out, "-o", join(folder, "a.mp4")],
      [
        1,
        /"latents" must be \[videos, t, 32, h, w\], but it is missing/,
        ...["decode", EMBEDDINGS, "-o", out],
      ],
      [2, /^error: Cannot compare 64x64 with 320x240: .* --size/, "compare", CLIP, video],
      [2, /--resize: give --size too/, "compare", CLIP, CLIP, "--resize", "area"],
      [2, /--resize: give --size too/, "encode", CLIP, "--resize", "area", "-o", out],
      [2, /Cannot compare 32 frames with \d+ frames: use --frames/, "compare", CLIP, DMLAB],
      [1, /^error: Cannot read frames from/, "compare", CLIP, EMBEDDINGS],
    ];
    for (const [status, message, ...args] of cases) {
      const { status: found, stdout, stderr } = await far(...args);
      assert.equal(found, status, stderr.join("\n"));
      assert.equal(stderr.length, 1, stderr.join("\n"));
      assert.match(stderr[0]!, message);
      assert.equal(stdout, "");
      assert.deepEqual([...Deno.readDirSync(folder)], []);
    }
  }));
