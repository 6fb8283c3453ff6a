import assert from "node:assert/strict";
import { join } from "node:path";
import { main } from "../../../cli.ts";
import { InterruptedError } from "../../../cli/errors.ts";
import { settingsOf } from "../../../cli/settings.ts";
import { readClip } from "../../../media/clip.ts";
import { readFloats, readIntegers, SafetensorsFile } from "../../../weights/safetensors.ts";
import { inFolder } from "../../support/folder.ts";
import { onTestGpu } from "../../support/gpu.ts";
import { MODEL_FILES, openedFiles } from "../../support/opened_files.ts";
import { recorder } from "../../support/recorder.ts";

const GOLDENS = "tests/fixtures/goldens";

/** Runs `far generate` in this process; it must succeed. */
async function generate(...args: string[]) {
  const terminal = recorder();
  const status = await onTestGpu(() => main(["generate", "--overwrite", ...args], terminal));
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

Deno.test("far generate takes a list of actions for each video", () =>
  inFolder(async (folder) => {
    const file = join(folder, "walks.json");
    await Deno.writeTextFile(file, '[["left", "forward"], ["right*2"]]');
    const [npz, tensors] = [join(folder, "v.npz"), join(folder, "v.safetensors")];
    const run = ["-n", "2", "-s", "1", "--context-frames", "0", "-a", file];
    await generate(...run, "-o", npz, "-o", tensors);
    assert.deepEqual((await readClip(join(folder, "v-0.npz"))).actions, [1, 0]);
    assert.deepEqual((await readClip(join(folder, "v-1.npz"))).actions, [2, 2]);
    await withTensors(tensors, async (file) => {
      assert.deepEqual(file.tensors.get("actions")!.shape, [2, 2]);
      assert.deepEqual(await readIntegers(file, "actions"), [1, 0, 2, 2]);
    });
    // and takes them up again from there, each video its own
    const on = join(folder, "on.safetensors");
    await generate("-c", tensors, "--context-frames", "1", "-s", "1", "-o", on);
    await withTensors(on, async (file) => {
      assert.deepEqual(file.tensors.get("frames")!.shape.slice(0, 2), [2, 2]);
      assert.deepEqual(await readIntegers(file, "actions"), [1, 0, 2, 2]);
    });
    await generate("-c", tensors, "-a", "3", "-s", "1", "-o", on);
    await withTensors(on, async (file) => {
      assert.deepEqual(await readIntegers(file, "actions"), [1, 0, 3, 2, 2, 3]);
    });
    await generate(...run.slice(0, -1), tensors, "-o", on);
    await withTensors(on, async (file) => {
      assert.deepEqual(await readIntegers(file, "actions"), [1, 0, 2, 2]);
    });
    const terminal = recorder();
    const three = ["generate", ...run, "--count", "3", "-o", join(folder, "w.npz")];
    assert.equal(await main(three, terminal), 2);
    assert.match(terminal.stderr[0]!, /Cannot use 2 lists of actions for 3 videos: give 1 or 3/);
  }));

Deno.test("far generate --no-cache makes the same as with caches", () =>
  inFolder(async (folder) => {
    // past the short window, so that the caches of both levels take part
    const golden = `${GOLDENS}/far-long/predict.safetensors`;
    const [cached, plain] = [join(folder, "cached.safetensors"), join(folder, "p.safetensors")];
    const run = [
      ...["-m", `${GOLDENS}/far-long`, "-c", golden, "-n", "4", "-s", "2"],
      ...["-g", "1", "--dtype", "f32"],
    ];
    await generate(...run, "-o", cached);
    await generate(...run, "--no-cache", "-o", plain);
    await withTensors(cached, (a) =>
      withTensors(plain, async (b) => {
        for (const name of ["latents", "frames"]) {
          const error = relativeError(await readFloats(b, name), await readFloats(a, name));
          assert(error < 1e-5, `${name} differ by ${error}`); // sums in another order
        }
        assert.equal(settingsOf(b.metadata)?.options["no-cache"], true);
      }));
  }));

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

Deno.test("far generate makes the demo's example, shorter, and says what it made", () =>
  inFolder(async (folder) => {
    const path = join(folder, "maze.mp4");
    const terminal = await generate("-n", "2", "-s", "1", "-o", path);
    assert.match(
      terminal.stdout,
      new RegExp(
        "^Wrote .*maze.mp4: 14 frames \\(the first 12 given\\), 64x64, 1.75 s at 8 fps, 1 step, seed 0\n" +
          "  context [\\d.]+ s, 2 frames in [\\d.]+ s \\([\\d.]+ frames/s\\), writing [\\d.]+ s, " +
          "[\\d.]+ MB of GPU memory, .+\n$",
      ),
    );
    const { frames, metadata } = await readClip(path);
    assert.equal(frames.length, 14);
    const settings = settingsOf(metadata ?? {});
    assert.equal(settings?.command, "generate");
    const { context, ...options } = settings.options;
    assert.equal(context, undefined); // the model's own needs no name
    assert.deepEqual(
      [options.model, options.frames, options.steps, options.seed, options["context-frames"]],
      ["demo", 2, 1, "0", undefined],
    );
  }));

Deno.test("far generate makes the same again from the settings that it stored", () =>
  inFolder(async (folder) => {
    const first = join(folder, "first.safetensors");
    const second = join(folder, "second.safetensors");
    const args = ["-n", "2", "-s", "1", "--seed", "-1", "-a", "left,1", "--context-frames", "2"];
    await generate(...args, "-o", first);
    await withTensors(first, async (file) => {
      const settings = settingsOf(file.metadata)!;
      const config = join(folder, "settings.json");
      await Deno.writeTextFile(config, JSON.stringify(settings));
      await generate("--config", config, "-o", second);
      await withTensors(second, async (again) => {
        const latents = await readFloats(file, "latents");
        assert.deepEqual(await readFloats(again, "latents"), latents);
      });
    });
  }));

Deno.test("far generate --seed -1 draws a seed, says which, and keeps it", () =>
  inFolder(async (folder) => {
    const run = ["-n", "1", "-s", "1", "--context-frames", "0", "-a", "left"];
    const seeds = new Set<string>();
    for (const name of ["a.npz", "b.npz"]) {
      const { stderr } = await generate(...run, "--seed", "-1", "-o", join(folder, name));
      const seed = /^seed (\d+)$/m.exec(stderr.join("\n"))![1]!;
      const { metadata } = await readClip(join(folder, name));
      assert.equal(settingsOf(metadata!)!.options.seed, seed);
      seeds.add(seed);
    }
    assert.equal(seeds.size, 2); // of 2^32
  }));

Deno.test("far generate --only-generated leaves the context out of every output", () =>
  inFolder(async (folder) => {
    const tensors = join(folder, "out.safetensors");
    const array = join(folder, "out.npz");
    const args = ["-n", "2", "-s", "1", "-a", "left,right", "--context-frames", "1"];
    args.push("--only-generated");
    await generate(...args, "-o", tensors, "-o", array);
    await withTensors(tensors, async (file) => {
      assert.deepEqual(file.tensors.get("frames")?.shape, [1, 2, 3, 64, 64]);
      assert.deepEqual(await readIntegers(file, "actions"), [1, 2]);
    });
    const { frames, actions } = await readClip(array);
    assert.equal(frames.length, 2);
    assert.deepEqual(actions, [1, 2]);
  }));

Deno.test("far generate reads its own outputs and continues by their actions", () =>
  inFolder(async (folder) => {
    const first = join(folder, "first.npz");
    const second = join(folder, "second.safetensors");
    const actions = ["-a", "left,right,stay", "--context-frames", "1"];
    await generate("-n", "3", "-s", "1", ...actions, "-o", first);
    // 1 frame of context and 3 made, of which 2 are context now: 2 actions are left
    await generate("-c", first, "--context-frames", "2", "-s", "1", "-o", second);
    await withTensors(second, async (file) => {
      assert.deepEqual(file.tensors.get("frames")?.shape, [1, 4, 3, 64, 64]);
      assert.deepEqual((await readIntegers(file, "actions")).slice(1), [1, 2, 3]);
    });
  }));

Deno.test("far generate: action i is the move that leads to frame i", () =>
  inFolder(async (folder) => {
    const latents = async (actions: string) => {
      const path = join(folder, "out.safetensors");
      const args = ["-n", "3", "-s", "1", "--context-frames", "1", "-a", actions];
      await generate(...args, "-o", path);
      let values: Float32Array = new Float32Array();
      await withTensors(path, async (file) => {
        values = await readFloats(file, "latents");
      });
      return Array.from({ length: 4 }, (_, frame) => values.slice(frame * 512, (frame + 1) * 512));
    };
    const straight = await latents("forward,forward,forward");
    const turn = await latents("forward,left,forward"); // at the second generated frame, frame 2
    assert.deepEqual(turn.slice(0, 2), straight.slice(0, 2));
    assert.notDeepEqual(turn[2], straight[2]);
    assert.notDeepEqual(turn[3], straight[3]);
  }));

Deno.test("far generate --count numbers the videos, and keeps tensors together", () =>
  inFolder(async (folder) => {
    const args = ["--count", "2", "-n", "1", "-s", "1", "--context-frames", "1"];
    const outputs = ["-o", join(folder, "a.npz"), "-o", join(folder, "a.safetensors")];
    const terminal = await generate(...args, ...outputs, "--json");
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    assert.deepEqual(names, ["a-0.npz", "a-1.npz", "a.safetensors"]);
    const result = JSON.parse(terminal.stdout);
    assert.equal(result.videos, 2);
    assert.deepEqual(result.frames, { context: 1, generated: 1 });
    assert.deepEqual(
      result.outputs.map(({ path }: { path: string }) => path),
      [join(folder, "a-0.npz"), join(folder, "a-1.npz"), join(folder, "a.safetensors")],
    );
    assert.equal(result.seed, 0);
    assert.deepEqual(Object.keys(result.seconds), [
      "context",
      "load",
      "generate",
      "finish",
      "total",
      "contextFrames",
      "frames",
      "write",
    ]);
    assert.ok(result.memory.peak > 0);
    await withTensors(join(folder, "a.safetensors"), async (file) => {
      const [a, b] = [0, 1].map((i) => i * 2 * 512 + 512);
      const latents = await readFloats(file, "latents");
      assert.notDeepEqual(latents.slice(a!, a! + 512), latents.slice(b!, b! + 512));
    });
  }));

Deno.test("far generate --dry-run says what it would take, and writes nothing", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.mp4");
    const text = (await generate("--dry-run", "-n", "3", "-o", path)).stdout;
    assert.match(text, /^model +maze, 9.3 million weights, f32$/m);
    assert.match(text, /^video +3 frames after 12 of context, 64x64$/m);
    assert.match(text, /^steps +4 per frame, guidance 1: 12 model calls$/m);
    assert.match(text, /^memory +[\d.]+ MB on the GPU: [\d.]+ MB weights, [\d.]+ MB caches/m);
    const { plan, settings } = JSON.parse((await generate("--dry-run", "--json")).stdout);
    assert.equal(plan.generatedFrames, 48);
    assert.equal(settings.options.frames, 48);
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  }));

Deno.test("far generate refuses bad input in one line and leaves nothing behind", () =>
  inFolder(async (folder) => {
    const path = join(folder, "a.mp4");
    const clip = "tests/fixtures/clips/dmlab-5.npz";
    const made = ["-s", "1", "-o", path];
    const labels = ["-m", `${GOLDENS}/far-label-flexrope`, "--label", "1,2", "--count", "3"];
    const cases: [number, RegExp, ...string[]][] = [
      [2, /^error: Give an output: --output FILE$/, "-n", "1"],
      [2, /its name must end in one of \.mp4/, "-o", join(folder, "a.mp3")],
      [2, /^error: Cannot write ".*a.mp4" twice$/, "-o", path, "-o", path],
      [1, /there is no folder ".*nowhere"/, "-n", "1", "-o", join(folder, "nowhere/a.mp4")],
      [2, /^error: Cannot find model "nowhere"/, "-m", "nowhere", ...made],
      [1, /is not a folder with a model_index.json/, "-m", "tests", ...made],
      [1, /^error: Cannot read "none.npz"/, "-c", "none.npz", ...made],
      [1, /has \d+ frames, but 999 /, "-c", clip, "--context-frames", "999", ...made],
      [2, /^error: Cannot use action "up".*forward \(0\), left \(1\)/, "-a", "up", ...made],
      [
        2,
        /Cannot use 1 action for 3 generated frames: give 3, or 15/,
        "-n",
        "3",
        "-a",
        "0",
        ...made,
      ],
      [
        2,
        /--size: both sides must be multiples of 32 for maze, not 48x64$/,
        "--size",
        "48x64",
        "-n",
        "1",
        ...made,
      ],
      [2, /--label: maze takes none/, "--label", "1", ...made],
      [2, /give --context/, "--context-frames", "0", "--context-start", "3", ...made],
      [2, /^error: Cannot use 2 labels for 3 videos: give 1 or 3$/, ...labels, "-n", "1", ...made],
      [2, /both write to stdout/, "-o", "-", "--json"],
      [2, /more than one video to stdout/, "-o", "-", "--count", "2"],
    ];
    for (const [status, message, ...args] of cases) await refused(folder, status, message, ...args);
  }));

/** Runs far generate on two videos and sends a signal when so many frames are made. */
async function stopped(args: readonly string[], stopAt: number, signal: "SIGINT" | "SIGTERM") {
  const controller = new AbortController();
  const terminal = recorder();
  const note = (line: string) => {
    terminal.note(line);
    const done = line.startsWith("{") && JSON.parse(line).unit === "frames" &&
      JSON.parse(line).done;
    if (done === stopAt) controller.abort(new InterruptedError(signal));
  };
  const size = ["--count", "2", "-n", "9", "-s", "1", "--context-frames", "1"];
  const run = ["generate", ...size, "--progress", "json"];
  const status = await main([...run, ...args], { ...terminal, note }, controller.signal);
  return { status, said: terminal.stderr.at(-1) };
}

Deno.test("far generate that is stopped finishes its outputs with the frames there are", () =>
  inFolder(async (folder) => {
    const names = ["a.mp4", "a.gif", "a.npz", "a.safetensors", "a.y4m", "s.png"];
    const outputs = names.flatMap((name) => ["-o", join(folder, name)]);
    const cases = [
      ["SIGINT", 130, [], "3 of 10 frames \\(1 of context\\)"],
      ["SIGTERM", 143, ["--only-generated"], "2 of 9 frames"],
      ["SIGINT", 130, ["--context-frames", "0"], "2 of 9 frames"],
    ] as const;
    for (const [signal, expected, args, have] of cases) {
      const { status, said } = await stopped([...outputs, ...args], 2, signal);
      assert.equal(status, expected);
      assert.match(said!, new RegExp(`^Stopped by ${signal}: .*s\\.png have ${have}$`));
      const there = parseInt(have);
      for (const name of ["a-0.mp4", "a-1.gif", "a-0.npz", "a-1.y4m"]) {
        assert.equal((await readClip(join(folder, name))).frames.length, there, name);
      }
      assert(Deno.statSync(join(folder, "s-1.png")).isFile);
      const file = await SafetensorsFile.open(join(folder, "a.safetensors"));
      assert.deepEqual(file.tensors.get("frames")!.shape, [2, there, 3, 64, 64]);
      assert.deepEqual(file.tensors.get("actions")!.shape, [there]);
      file.close();
      for (const { name } of [...Deno.readDirSync(folder)]) {
        assert.doesNotMatch(name, /partial/);
        Deno.removeSync(join(folder, name));
      }
    }
  }));

Deno.test("far generate that is stopped leaves nothing behind where there is nothing to keep", () =>
  inFolder(async (folder) => {
    const output = ["-o", join(folder, "a.mp4"), "-o", join(folder, "a.safetensors")];
    const cases: [args: string[], stopAt: number][] = [
      [output, 0],
      [[...output, "--on-interrupt", "discard"], 2],
    ];
    for (const [args, stopAt] of cases) {
      const { status, said } = await stopped(args, stopAt, "SIGINT");
      assert.equal(status, 130);
      assert.equal(said, "Stopped by SIGINT: nothing was written");
      assert.deepEqual([...Deno.readDirSync(folder)], []);
    }
  }));

Deno.test("far generate keeps outputs that exist, but for the same settings", () =>
  inFolder(async (folder) => {
    const [gif, preview] = [join(folder, "a.gif"), join(folder, "p.png")];
    const run = async (...args: string[]) => {
      const terminal = recorder();
      const size = ["-n", "1", "-s", "1", "--context-frames", "0"];
      const status = await main(["generate", ...size, "-o", gif, ...args], terminal);
      return { status, said: terminal.stderr.join("\n") };
    };
    assert.equal((await run("--preview", preview)).status, 0);
    assert.equal((await run("--preview", preview)).status, 0, "a script that runs again");
    const kept = await run("--seed", "1");
    assert.equal(kept.status, 2);
    assert.match(kept.said, /a\.gif": it exists\. Give another name, or --overwrite/);
    assert.equal((await run("--seed", "1", "--overwrite")).status, 0);
    await Deno.writeTextFile(preview, "my own");
    assert.match((await run("--seed", "1", "--preview", preview)).said, /p\.png": it exists/);
    await Deno.writeTextFile(gif, "my own");
    assert.match((await run()).said, /a\.gif": it exists/);
    assert.equal(await Deno.readTextFile(gif), "my own");
  }));

Deno.test("far generate continues by the actions with which its own video was made", () =>
  inFolder(async (folder) => {
    const [walk, on] = [join(folder, "walk.mp4"), join(folder, "on.npz")];
    const actions = ["-a", "left,forward,right", "--context-frames", "0"];
    await generate("-n", "3", "-s", "1", ...actions, "-o", walk);
    await generate("-c", walk, "--context-frames", "1", "-s", "1", "-o", on);
    const { actions: made } = await readClip(on);
    assert.deepEqual(made, [1, 0, 2]);
  }));

Deno.test("far generate opens each file of a model once", () =>
  inFolder(async (folder) => {
    const model = `${GOLDENS}/far-uncond`;
    const args = ["--model", model, "--frames", "1", "--steps", "1", "--size", "32x32", "--quiet"];
    const output = ["--output", join(folder, "a.npz")];
    for (const more of [output, ["--dry-run"]]) {
      const opened = await openedFiles(model, () => generate(...args, ...more));
      assert.deepEqual(opened, MODEL_FILES);
    }
  }));
