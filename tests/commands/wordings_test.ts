import assert from "node:assert/strict";
import { main } from "../../cli.ts";
import { noAdapter } from "../../gpu/errors.ts";
import { recorder } from "../support/recorder.ts";

const CLIP = "weights/demo/clips/1.npz";
const RUN = ["-a", "forward", "-s", "1", "--context-frames", "0"];

/** Command lines that cannot work, and the one line that says so. */
const REFUSED: readonly [argv: readonly string[], status: number, line: RegExp][] = [
  [
    ["convert"],
    2,
    /^error: Say what to convert: give --model, or --transformer FILE and --vae FILE$/,
  ],
  [
    ["convert", "--vae", "a.pth", "-o", "d"],
    2,
    /^error: Give the transformer, too: --transformer FILE$/,
  ],
  [["convert", "--transformer", "a.pth"], 2, /^error: Give the autoencoder, too: --vae FILE$/],
  [["encode", CLIP], 2, /^error: Give an output for the latents: --output FILE\.safetensors$/],
  [
    ["encode", CLIP, "-o", "x.mp4"],
    2,
    /^error: Cannot write latents to "x\.mp4": its name must end in/,
  ],
  [
    ["inspect", "nosuch"],
    2,
    /^error: Cannot read "nosuch": there is no such file or folder, and no/,
  ],
  [["inspect", "nosuch.npz"], 2, /^error: Cannot read "nosuch\.npz": there is no such file$/],
  [["inspect", "dmeo"], 2, /no such file or folder, .* \(did you mean "demo"\?\)$/],
  [["inspect", "minecraft"], 2, /; fetch it with far pull FAR_M_Long_minecraft_res128_1000K_bs32$/],
  [["inspect", "res256"], 2, /no such file or folder; "res256" may be any of FAR_L_/],
  [
    ["models", "x"],
    2,
    /^error: There is no "far models x": far models lists them, far models rm NAME/,
  ],
  [["pull", "mincraft"], 2, /^error: Cannot pull "mincraft": .* \(did you mean "minecraft"\?\)/],
  [["-v"], 2, /^error: Unknown option '-v' \(use --version\)/],
  [["version"], 2, /^error: Unknown command 'version' \(use --version\)/],
  [["-q", "generate"], 2, /^error: Unknown option '-q' before a command: options follow it/],
  [["--help", "nosuch"], 2, /^error: Unknown command 'nosuch'/],
  [["generate", "-o", "x.mp4", "-a", "forward,,left"], 2, /nothing between two commas$/],
  [
    ["generate", "-o", "x.mp4", "--guidance", "0"],
    2,
    /^error: Cannot use --guidance 0: give 1 \(off\)/,
  ],
  [
    ["generate", "-o", "x.mp4", "--flexrope", "-1"],
    2,
    /--flexrope -1: it must be a number of at least 0$/,
  ],
  [["generate", "-o", "x.png", "-m", "ucf101"], 2, /^error: "ucf101" may be any of /],
  [["generate", "-o", "f%-4d.png", ...RUN], 1, /number its files with %d, or %04d for four digits/],
  [
    ["generate", "-o", "/proc/x.mp4", ...RUN],
    1,
    /^error: Cannot write "\/proc\/x\.mp4": files cannot be/,
  ],
];

for (const [argv, status, line] of REFUSED) {
  const ignore = argv.includes("/proc/x.mp4") && Deno.build.os !== "linux";
  Deno.test({ name: `far ${argv.join(" ")} says what is wrong, in one line`, ignore }, async () => {
    const terminal = recorder();
    assert.equal(await main(argv, terminal), status, terminal.stderr.join("\n"));
    assert.equal(terminal.stderr.length, 1, terminal.stderr.join("\n"));
    assert.match(terminal.stderr[0]!, line);
  });
}

Deno.test("far --help COMMAND explains the command", async () => {
  for (const flag of ["--help", "-h", "help"]) {
    const terminal = recorder();
    assert.equal(await main([flag, "encode"], terminal), 0);
    assert.match(terminal.stdout, /^Usage: far encode \[options\]/);
  }
});

Deno.test("noAdapter() blames what keeps the adapters away", () => {
  assert.match(noAdapter(undefined, undefined).message, /: install a Vulkan driver/);
  assert.match(noAdapter("gl", "DENO_WEBGPU_BACKEND=gl").message, / by gl: leave out `backend`$/);
  const { message } = noAdapter(undefined, "DENO_WEBGPU_BACKEND=foo");
  assert.match(message, /^Cannot find a GPU adapter with DENO_WEBGPU_BACKEND=foo .*: unset it, or/);
});
