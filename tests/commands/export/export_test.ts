import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { loadPipeline, readClip } from "../../../mod.ts";
import { LiveWorld } from "../../../run/live.ts";
import { readSource } from "../../../request/sources.ts";
import { parseWorldFile, WORLD_FILE } from "../../../player/world_file.ts";
import { run } from "../../../commands/export/run.ts";
import { openedFiles } from "../../support/opened_files.ts";
import { recorder } from "../../support/recorder.ts";
import { CHROMIUM, downloadOf, SWIFTSHADER, until, withBrowser } from "../../support/chromium.ts";
import { assertAccessible } from "../../support/page_checks.ts";
import { inFolder } from "../../support/folder.ts";
import { assertCommandMakes } from "../play/copied_command.ts";
import { answer } from "../../../commands/serve/static_files.ts";

if (!CHROMIUM) {
  console.error("NOT TESTED: exported worlds in a browser, as no Chromium is installed");
}

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const DEMO = join(ROOT, "weights/demo");
const CLIP = join(DEMO, "clips/0.npz");
const LEFT = 1;
/** Relative to 1; adapters round sums in different orders. */
const MOST_DIFFERENCE = 2e-3;
const FRAME = "document.getElementById('frame')?.textContent";
const LOST = "document.getElementById('lost-text')?.textContent";
const PIXELS = "Array.from(document.getElementById('canvas').getContext('2d')" +
  ".getImageData(0, 0, 64, 64).data)";
/** Button, file, and what the file begins with. */
const SAVED = [["Share GIF", "walk.gif", "GIF89a"], ["Save MP4", "walk.mp4", "ftyp"]] as const;

async function far(...args: string[]): Promise<{ code: number; said: string }> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--quiet", join(ROOT, "cli.ts"), ...args],
    stdout: "null",
  }).output();
  return { code, said: new TextDecoder().decode(stderr) };
}

/** The demo, cheap enough for a browser on a CPU. */
async function exportDemo(to: string): Promise<void> {
  const { code, said } = await far(
    ..."export --web --steps 1 --context-frames 1 -q -o".split(" "),
    to,
  );
  assert.equal(code, 0, said);
}

/** Serves a folder below a path, as project pages are; its weights may be answered otherwise. */
async function serving(
  site: string,
  test: (url: string) => Promise<void>,
  weights?: () => Response,
): Promise<void> {
  const onListen = () => {};
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen }, (request) => {
    const below = new Request(request.url.replace("/a/b/", "/"), { headers: request.headers });
    return weights && below.url.includes("/weights/") ? weights() : answer(below, site);
  });
  try {
    await test(`http://127.0.0.1:${server.addr.port}/a/b/`);
  } finally {
    await server.shutdown();
  }
}

/** When the GPU process ends, the page says so, and the frames can still be saved. */
async function loseDevice(page: Page, folder: string): Promise<void> {
  const devtools = await page.context().browser()!.newBrowserCDPSession();
  await devtools.send("Browser.crashGpuProcess").catch(() => {}); // some versions do not answer
  await page.locator('[data-action="1"]').press("Enter");
  await until(page, `${LOST}.startsWith("The GPU was lost")`);
  assert.match(await page.evaluate<string>(LOST), /Reload the page\. The frames below can still/);
  const gif = join(folder, "lost.gif");
  await downloadOf(page, page.getByRole("button", { name: "Share GIF" }), gif);
  assert.equal((await readClip(gif)).frames.length, 2);
}

async function copiedCommand(page: Page): Promise<string> {
  await page.getByRole("button", { name: "Copy command" }).click();
  await until(page, `document.getElementById("copied").textContent === "copied"`);
  return await page.evaluate<string>("navigator.clipboard.readText()");
}

/** Hosts that fail to send weights, and what the page says then. */
const FAILING_HOSTS: { name: string; words: RegExp; weights(): Response }[] = [
  {
    name: "missing",
    words: /^The host does not have .*\.safetensors \(status 404\)\. Upload the whole folder again/,
    weights: () => new Response(null, { status: 404 }),
  },
  {
    name: "forbidden",
    words: /^The host does not have .* \(status 403\)\. Upload the whole folder again/,
    weights: () => new Response(null, { status: 403 }),
  },
  {
    name: "another page in its place",
    words: /^The host sends another .*\. Upload the whole folder again, then reload the page/,
    weights: () => new Response("x".repeat(30_000_000)),
  },
  {
    name: "broken off",
    words: /^The download of .*\.safetensors broke off\. Check the connection, then reload/,
    weights: () => new Response("half", { headers: { "content-length": "9" } }),
  },
];

/** Without WebGPU, or a GPU for it, the page says what to do. */
Deno.test({
  name: "an exported world says what to do where the browser has no GPU",
  ignore: !CHROMIUM,
  fn: () =>
    inFolder(async (folder) => {
      const site = join(folder, "site");
      await exportDemo(site);
      await withBrowser(async (browser) => {
        await serving(site, async (url) => {
          const page = await browser.newPage();
          await page.goto(url);
          await until(page, `${LOST}?.trim()`);
          const words = /This browser (has no WebGPU|finds no GPU).* (Use a|Switch on) /;
          assert.match(await page.evaluate<string>(LOST), words);
          await assertAccessible(page);
        });
      });
    }),
});

Deno.test({
  name: "an exported world says what to do where its host fails",
  ignore: !CHROMIUM,
  fn: (t) =>
    inFolder(async (folder) => {
      const site = join(folder, "site");
      await exportDemo(site);
      await withBrowser(async (browser) => {
        for (const { name, words, weights } of FAILING_HOSTS) {
          await t.step(name, () =>
            serving(site, async (url) => {
              const page = await browser.newPage();
              await page.goto(url);
              await until(page, `${LOST}?.trim()`);
              assert.match(await page.evaluate<string>(LOST), words);
              assert.ok(await page.getByRole("button", { name: "Share GIF" }).isDisabled());
              await page.close();
            }, weights));
        }
      }, SWIFTSHADER);
    }),
});

async function bundle(entry: string, to: string): Promise<void> {
  const args = ["bundle", "--quiet", "--platform", "browser", "--output", to, entry];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

Deno.test("far export --web writes pieces of a size that hosts take, and no Deno", async () => {
  await inFolder(async (folder) => {
    const site = join(folder, "site");
    await exportDemo(site);
    const names = (await Array.fromAsync(Deno.readDir(site))).map(({ name }) => name).sort();
    const clips = [0, 1, 2, 3].map((i) => `clip-${i}.safetensors`);
    const all = ["LICENSE.txt", ...clips, "index.html", "player.js", "weights", "world.json"];
    assert.deepEqual(names, all);
    const script = await Deno.readTextFile(join(site, "player.js"));
    assert.doesNotMatch(script, /\bDeno\./);
    const world = parseWorldFile(await Deno.readTextFile(join(site, WORLD_FILE)));
    for (const part of ["transformer", "vae"] as const) {
      const joined: Uint8Array[] = [];
      for (const { path, bytes } of world[part].weights.flatMap(({ pieces }) => pieces)) {
        assert.ok(bytes <= 25_000_000);
        joined.push(await Deno.readFile(join(site, path)));
      }
      const own = join(DEMO, part, "diffusion_pytorch_model.safetensors");
      assert.deepEqual(
        new Uint8Array(await new Blob(joined as BlobPart[]).arrayBuffer()),
        await Deno.readFile(own),
      );
    }
    const again = await far("export", "--web", "-q", "-o", site);
    assert.deepEqual([again.code, /it exists/.test(again.said)], [1, true], again.said);
  });
});

Deno.test({
  name: "an exported world makes in a browser the frames that Deno makes",
  ignore: !CHROMIUM,
  fn: () =>
    inFolder(async (folder) => {
      const site = join(folder, "site");
      await exportDemo(site);
      await bundle(join(import.meta.dirname!, "frames.js"), join(site, "frames.js"));
      const page = '<script type="module" src="frames.js"></script>';
      await Deno.writeTextFile(join(site, "frames.html"), page);
      await withBrowser(async (browser) => {
        await serving(site, async (url) => {
          const context = await browser.newContext();
          await context.grantPermissions(["clipboard-read", "clipboard-write"]);
          const page = await context.newPage();
          const own = await frameInDeno();
          await page.goto(`${url}frames.html`);
          await until(page, "globalThis.frameOf");
          const made = await page.evaluate<number[]>(`frameOf(${LEFT})`);
          const largest = made.reduce((most, v, i) => Math.max(most, Math.abs(v - own[i]!)), 0);
          assert.equal(made.length, own.length);
          assert.ok(largest <= MOST_DIFFERENCE, `the largest difference is ${largest}`);

          await page.goto(url);
          await until(page, `${FRAME} === "frame 0"`);
          await page.locator('[data-action="1"]').press("Enter");
          await until(page, `${FRAME} === "frame 1"`);
          const drawn = await page.evaluate<number[]>(PIXELS);
          const off = own.reduce((most, _, i) => {
            const [plane, pixel] = [Math.floor(i / 4096), i % 4096];
            return Math.max(most, Math.abs(drawn[4 * pixel + plane]! - 255 * own[i]!));
          }, 0);
          assert.ok(off <= 0.5 + 255 * MOST_DIFFERENCE, `a pixel is off by ${off} of 255`);
          const command = await copiedCommand(page);
          assert.match(command, /^far generate --model demo --context clip-0\.safetensors /);
          await assertCommandMakes(command, drawn.filter((_, i) => i % 4 < 3), site);
          for (const [name, file, start] of SAVED) {
            const to = join(folder, file);
            await downloadOf(page, page.getByRole("button", { name }), to);
            const text = new TextDecoder("latin1").decode(await Deno.readFile(to));
            assert.ok(
              text.slice(0, 12).includes(start),
              `${file} begins with ${text.slice(0, 12)}`,
            );
          }
          await loseDevice(page, folder);
        });
      }, SWIFTSHADER);
    }),
});

/** The same frame, by the program itself. */
async function frameInDeno(): Promise<Float32Array> {
  const pipeline = await loadPipeline(DEMO, { dtype: "f32" });
  try {
    const { data, actions } = await readSource(CLIP, { count: 1 });
    const own = await actions!({ kind: "action", count: 4 });
    const world = await LiveWorld.start(pipeline, {
      width: 64,
      height: 64,
      context: data,
      contextFrames: 1,
      actions: own![0]!.slice(0, 1),
      steps: 1,
      guidance: 1,
      solver: "euler",
      seed: 0,
    });
    const { pixels } = await world.step(LEFT);
    world.close();
    return pixels.data;
  } finally {
    await pipeline.close();
  }
}

Deno.test("far export opens small files of a model once, and weights once more to copy them", () =>
  inFolder(async (folder) => {
    const call = {
      operands: ["demo"],
      options: { web: true, output: join(folder, "site"), steps: 1, quiet: true },
      terminal: recorder(),
      signal: new AbortController().signal,
    };
    const opened = Object.entries(await openedFiles(DEMO, () => run(call)));
    const twice = opened.filter(([name, times]) => times > 1 && !name.startsWith("clips/"));
    assert.deepEqual(twice.map(([name, times]) => `${name} ${times}`), [
      "transformer/diffusion_pytorch_model.safetensors 2",
      "vae/diffusion_pytorch_model.safetensors 2",
    ]);
    assert.equal(opened.filter(([name]) => name.endsWith(".json")).length, 5);
  }));
