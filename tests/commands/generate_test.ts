import assert from "node:assert/strict";
import { join } from "node:path";
import { main } from "../../cli.ts";
import { readFloats, readIntegers, SafetensorsFile } from "../../weights/safetensors.ts";
import { inFolder } from "./folder.ts";
import { recorder } from "./recorder.ts";

const GOLDENS = "tests/fixtures/goldens";

/** Runs `far generate` in this process; it must succeed. */
async function generate(...args: string[]) {
  const terminal = recorder();
  const status = await main(["generate", ...args], terminal);
  assert.equal(status, 0, terminal.stderr.join("\n"));
  return terminal;
}

/** Runs it; it must end with this status and one line that matches, and leave nothing behind. */
async function refused(folder: string, status: number, message: RegExp, ...args: string[]) {
  const terminal = recorder();
  const found = await main(["generate", ...args], terminal);
  assert.equal(found, status, terminal.stderr.join("\n"));
  assert.equal(terminal.stderr.length, 1, terminal.stderr.join("\n"));
  assert.match(terminal.stderr[0]!, message);
  assert(!terminal.stderr[0]!.includes("\n    at "), "a stack trace");
  assert.equal(terminal.stdout, "");
  assert.deepEqual([...Deno.readDirSync(folder)], []);
}

async function withTensors(path: string, use: (file: SafetensorsFile) => Promise<void>) {
  const file = await SafetensorsFile.open(path);
  try {
    await use(file);
  } finally {
    file.close();
  }
}

/** The largest difference over the largest value. */
function relativeError(a: Float32Array, b: Float32Array): number {
  assert.equal(a.length, b.length);
  let most = 0;
  let largest = 0;
  for (const [i, value] of b.entries()) {
    most = Math.max(most, Math.abs(a[i]! - value));
    largest = Math.max(largest, Math.abs(value));
  }
  return most / largest;
}

async function agrees(path: string, golden: string) {
  await withTensors(path, (made) =>
    withTensors(golden, async (wanted) => {
      const latents = await readFloats(wanted, "latents.cached");
      assert(relativeError(await readFloats(made, "latents"), latents) < 1e-3); // as the goldens say
      const frames = await readFloats(wanted, "frames.cached");
      assert(relativeError(await readFloats(made, "frames"), frames) < 1 / 255);
    }));
}

Deno.test("far generate continues a context of tensors as the released code does", () =>
  inFolder(async (folder) => {
    const golden = `${GOLDENS}/far-action/predict.safetensors`;
    const path = join(folder, "out.safetensors");
    // context, actions and noise all come from one file
    await generate(
      ...["-m", `${GOLDENS}/far-action`, "-c", golden, "--noise", golden, "-n", "3", "-s", "4"],
      ...["-g", "2", "--dtype", "f32", "-o", path],
    );
    await agrees(path, golden);
    await withTensors(path, async (file) => {
      const [own] = [await readIntegers(file, "actions")];
      await withTensors(golden, async (wanted) => {
        assert.deepEqual(own, await readIntegers(wanted, "action"));
      });
    });
  }));

Deno.test("far generate draws the same noise from a seed, for labels and two videos", () =>
  inFolder(async (folder) => {
    const golden = `${GOLDENS}/far-label-flexrope/generate.safetensors`;
    const path = join(folder, "out.safetensors");
    let labels: number[] = [];
    await withTensors(golden, async (file) => {
      labels = await readIntegers(file, "label");
    });
    await generate(
      ...["-m", `${GOLDENS}/far-label-flexrope`, "--label", labels.join(), "--size", "32x32"],
      ...["--seed", "24", "-n", "4", "-s", "4", "-g", "2.5", "--dtype", "f32", "-o", path],
    );
    await agrees(path, golden);
    await withTensors(path, async (file) => {
      assert.deepEqual(await readIntegers(file, "label"), labels);
      await withTensors(golden, async (wanted) => {
        const noise = await readFloats(wanted, "noise");
        assert(relativeError(await readFloats(file, "noise"), noise) < 1e-6);
      });
    });
  }));
