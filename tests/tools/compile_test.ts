import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { compileArguments, hasCodecs, importsOf, parseBuild } from "../../tools/compile.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const ADDON = "@napi-rs/webcodecs-linux-x64-gnu";

Deno.test("parseBuild() names the binary after its target", () => {
  const build = parseBuild(["--target", "macos-arm64"]);
  assert.equal(build.output, "dist/far-macos-arm64");
  const windows = parseBuild(["--target", "windows-x64", "--noffmpeg"]);
  assert.equal(windows.output, "dist/far-windows-x64-noffmpeg.exe");
  assert.throws(
    () => parseBuild(["--target", "beos"]),
    /targets are linux-x64, linux-arm64, macos/,
  );
  assert.throws(() => parseBuild(["--everything"]), /--everything/);
});

Deno.test("importsOf() has the codecs of the target alone, or none", () => {
  const mac = importsOf(parseBuild(["--target", "macos-x64"]));
  assert.match(mac["@napi-rs/webcodecs-darwin-x64"]!, /^npm:@napi-rs\/webcodecs-darwin-x64@1/);
  assert.equal(mac[ADDON], mac["@napi-rs/webcodecs-darwin-x64"]);
  const none = importsOf(parseBuild(["--noffmpeg"]));
  assert.match(none[ADDON]!, /^data:/);
  assert.equal(Object.keys(none).filter((name) => name.startsWith("@napi-rs/")).length, 1);
  assert.equal(none.commander, mac.commander);
});

Deno.test("hasCodecs() finds a binary without its target's codecs", () => {
  const list = "├── @napi-rs/webcodecs-linux-x64-gnu/* (65.78MB)";
  assert.ok(hasCodecs(parseBuild(["--target", "linux-x64"]), list));
  assert.ok(!hasCodecs(parseBuild(["--target", "linux-arm64"]), list));
  assert.ok(hasCodecs(parseBuild(["--target", "linux-arm64", "--noffmpeg"]), ""));
});

Deno.test("compileArguments() bake in what commands need, and never all", () => {
  const args = compileArguments(parseBuild([]), "deno.json");
  for (const wrong of ["-A", "--allow-all", "--allow-sys", "--allow-import"]) {
    assert.ok(!args.includes(wrong), wrong);
  }
  assert.ok(args.includes("--no-prompt"));
});

Deno.test({
  name: "a binary has the demo model, every shader, the page and the codecs inside",
  ignore: Deno.build.target !== "x86_64-unknown-linux-gnu", // the one whose codecs we have here
  fn: async () => {
    const [whole, without] = await Promise.all([embedded(), embedded("--noffmpeg")]);
    assert.match(whole.list, /@napi-rs\/webcodecs-linux-x64-gnu\/\* \(6\d\.\d+MB\)/);
    const files = [
      "player/page.html",
      "player/page.js",
      "player/link.js",
      "player/served.js",
      "player/film.js",
      "player/saving.js",
      ...kernels(),
    ];
    for (const path of [...files, "weights/demo/far.json", "weights/demo/clips/3.npz"]) {
      assert.ok(whole.content.includes(latin1(Deno.readFileSync(join(ROOT, path)))), path);
    }
    for (const part of ["transformer", "vae"]) {
      const path = join(ROOT, "weights/demo", part, "diffusion_pytorch_model.safetensors");
      const beginning = Deno.readFileSync(path).subarray(0, 10_000);
      assert.ok(whole.content.includes(latin1(beginning)), path);
    }
    assert.doesNotMatch(without.list, /webcodecs-linux/);
    assert.ok(without.content.length < whole.content.length - 60e6);
  },
});

/** The contents of a binary: Deno's list of files, and the data after Deno's own program. */
async function embedded(...args: string[]): Promise<{ list: string; content: string }> {
  const folder = await Deno.makeTempDir();
  const output = join(folder, "far");
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "tools/compile.ts", "--list", "--output", output, ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const list = new TextDecoder().decode(stderr);
  assert.equal(code, 0, list);
  const program = (await Deno.stat(Deno.execPath())).size;
  const content = latin1((await Deno.readFile(output)).subarray(program));
  await Deno.remove(folder, { recursive: true });
  return { list, content };
}

/** Bytes as a string, in which the engine searches quickly. */
function latin1(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}

function kernels(): string[] {
  const visit = (folder: string): string[] =>
    [...Deno.readDirSync(join(ROOT, folder))].flatMap(({ name, isDirectory }) =>
      isDirectory ? visit(`${folder}/${name}`) : name.endsWith(".wgsl") ? [`${folder}/${name}`] : []
    );
  return visit("kernels");
}
