import assert from "node:assert/strict";
import { join } from "node:path";
import { HAS_FFMPEG, probe } from "../../media/support/ffmpeg.ts";
import { BrowserPage, CHROMIUM } from "./chromium.ts";
import { startPage } from "./play_process.ts";

if (!CHROMIUM) console.error("NOT TESTED: the page of far play, as no Chromium is installed");

const number = (id: string) => `Number(document.getElementById("${id}").textContent.match(/\\d+/))`;
const text = (id: string) => `document.getElementById("${id}").textContent`;
const CONTROL = 2;
const PIXELS = `document.getElementById("canvas").toDataURL()`;

Deno.test({
  name: "far play --web: open, drive, see frames change, save, reload, restart",
  ignore: !CHROMIUM || !HAS_FFMPEG,
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "far-page-" });
    const far = await startPage();
    const page = await BrowserPage.open(CHROMIUM!, folder);
    try {
      await page.call("Page.navigate", { url: far.url });
      await page.until(`document.readyState === "complete" && ${number("frame")} === 11`);
      assert.equal(await page.evaluate(text("connection")), "connected");
      await drive(page);
      await save(page, folder);
      await reload(page);
      await restart(page);
    } finally {
      await page.close();
      await far.stop();
      await Deno.remove(folder, { recursive: true });
    }
    assert.equal(far.complaints, "");
  },
});

async function drive(page: BrowserPage): Promise<void> {
  const before = await page.evaluate<string>(PIXELS);
  await page.key("keyDown", "ArrowUp");
  await page.until(`${number("frame")} >= 14`);
  await page.key("keyUp", "ArrowUp", CONTROL); // pressed meanwhile, it must not keep the other down
  await page.until(`!document.querySelector(".held")`);
  assert.notEqual(await page.evaluate(PIXELS), before);
  assert.match(await page.evaluate(text("history")), /^forward\*\d+$/);
  await page.touch("touchStart", '[data-action="1"]');
  await page.until(`${text("action")} === "left"`);
  await page.touch("touchEnd", '[data-action="1"]');
  await page.until(`!document.querySelector(".held")`);
}

async function save(page: BrowserPage, folder: string): Promise<void> {
  await page.evaluate(`document.getElementById("save").click()`);
  const path = join(folder, "session.mp4");
  let size = -1;
  for (let i = 0; i < 300 && size <= 0; i++) {
    size = await Deno.stat(path).then((file) => file.size, () => -1);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const { stream, tags } = await probe(path);
  const frames = await page.evaluate<number>(number("frames"));
  assert.ok(frames >= 5 && Number(stream.nb_frames) >= 5, `${stream.nb_frames} of ${frames}`);
  assert.deepEqual([stream.codec_name, stream.width, stream.height], ["h264", 64, 64]);
  assert.match(tags["comment"]!, /^far generate --model demo .*--actions 'forward\*\d+,left/);
}

async function reload(page: BrowserPage): Promise<void> {
  const state = `[${text("history")}, ${number("frame")}, ${PIXELS}].join(" ")`;
  const before = await page.evaluate(state);
  await page.call("Page.reload");
  await page.until(`document.readyState === "complete" && ${text("connection")} === "connected"`);
  await page.until(`${number("frame")} > 11`);
  assert.equal(await page.evaluate(state), before);
}

async function restart(page: BrowserPage): Promise<void> {
  await page.evaluate(`{
    const steps = document.getElementById("steps");
    steps.focus();
    steps.value = 2;
    steps.dispatchEvent(new Event("change"));
    steps.dispatchEvent(new PointerEvent("pointerup"));
    if (document.activeElement !== document.getElementById("canvas")) throw new Error("focus");
    const clip = document.getElementById("clip");
    clip.value = "2";
    clip.dispatchEvent(new Event("change"));
  }`);
  await page.until(`${number("frame")} === 11 && ${text("history")} === ""`);
  assert.equal(await page.evaluate(`document.getElementById("steps-value").value`), "2");
  assert.equal(await page.evaluate(`document.getElementById("clip").value`), "2");
}
