import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import axe from "axe-core";
import { HAS_FFMPEG, probe } from "../../media/support/ffmpeg.ts";
import { BrowserPage, CHROMIUM } from "../../support/chromium.ts";
import { startPage } from "./play_process.ts";

if (!CHROMIUM) console.error("NOT TESTED: the page of far play, as no Chromium is installed");

const number = (id: string) => `Number(document.getElementById("${id}").textContent.match(/\\d+/))`;
const text = (id: string) => `document.getElementById("${id}").textContent`;
const HELD = `!document.querySelector('[data-action][aria-pressed="true"]')`;
const SIZES = [[1280, 800], [390, 844], [844, 390]] as const;
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
      await timeMachine(page);
      await restart(page);
      await keyboardOnly(page);
      await swipe(page);
      for (const [width, height] of SIZES) await fits(page, width, height);
      assert.equal(await far.stop(), 0);
      await lost(page);
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
  await page.until(HELD);
  assert.notEqual(await page.evaluate(PIXELS), before);
  assert.match(await page.evaluate(text("history")), /^forward\*\d+$/);
  await page.touch("touchStart", '[data-action="1"]');
  await page.until(`${text("action")} === "left"`);
  await page.touch("touchEnd", '[data-action="1"]');
  await page.until(HELD);
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

/** Going back makes a branch; both are kept, compared, and the command of this one can be had. */
async function timeMachine(page: BrowserPage): Promise<void> {
  const film = `document.querySelectorAll("#film button").length`;
  const current = `document.querySelector("#film [aria-current]").title`;
  const length = await page.evaluate<number>(film);
  assert.ok(length >= 5, `${length} frames`); // a page that is loaded again has them too
  await page.evaluate(`document.querySelectorAll("#film button")[2].click()`);
  await page.until(`${current}.startsWith("frame 13")`);
  await page.until(`${text("history")} === "forward*2"`);
  await page.key("keyDown", "ArrowRight");
  await page.until(`${text("history")}.startsWith("forward*2,right")`);
  await page.key("keyUp", "ArrowRight");
  await page.until(HELD);
  const tabs =
    `[...document.querySelectorAll("#branches button")].map((b) => b.textContent).join()`;
  assert.equal(await page.evaluate(tabs), "Branch 1,Branch 2");
  await page.evaluate(`{
    const name = document.getElementById("branch-name");
    name.value = "to the right";
    name.dispatchEvent(new Event("change"));
    const other = document.getElementById("other");
    other.value = "0";
    other.dispatchEvent(new Event("change"));
  }`);
  assert.equal(await page.evaluate(tabs), "Branch 1,to the right");
  const sides = `["left", "right"].map((id) => document.getElementById(id).toDataURL())`;
  const [left, right] = await page.evaluate<string[]>(sides);
  assert.notEqual(left, right);
  await page.evaluate(`{
    globalThis.copied = undefined;
    document.addEventListener("copy", () => copied = getSelection().toString(), { once: true });
    document.getElementById("copy-command").click();
  }`);
  await page.until(`${text("copied")} === "copied"`);
  await page.evaluate(`document.querySelector("#branches button").click()`);
  await page.until(`${film} === ${length}`);
}

async function restart(page: BrowserPage): Promise<void> {
  await page.evaluate(`{
    document.querySelector('[data-steps="2"]').click();
    document.querySelector('[data-clip="2"]').click();
  }`);
  await page.until(`${number("frame")} === 11 && ${text("history")} === ""`);
  const chosen = `document.querySelector('[data-steps][aria-pressed="true"]').dataset.steps`;
  await page.until(`${chosen} === "2"`);
  assert.equal(
    await page.evaluate(`document.querySelector("[data-clip][aria-pressed=true]").dataset.clip`),
    "2",
  );
}

/** Enter on the button of an action holds it; Enter lets the world run, and stop. */
async function keyboardOnly(page: BrowserPage): Promise<void> {
  for (const [key, code] of [["Enter", 13], [" ", 32]] as const) {
    await page.evaluate(`document.querySelector('[data-action="2"]').focus()`);
    const event = { key, code: key === " " ? "Space" : key, windowsVirtualKeyCode: code };
    await page.call("Input.dispatchKeyEvent", { type: "keyDown", text: "\r", ...event });
    await page.until(`${text("action")} === "right"`);
    assert.equal(await page.evaluate(HELD), false);
    await page.call("Input.dispatchKeyEvent", { type: "keyUp", ...event });
    await page.until(HELD);
    await page.key("keyDown", "ArrowUp");
    await page.until(`${text("action")} === "forward"`);
    await page.key("keyUp", "ArrowUp");
  }
  const run = `document.getElementById("run")`;
  const before = await page.evaluate<number>(number("frame"));
  await page.evaluate(`${run}.click()`);
  await page.until(`${run}.getAttribute("aria-pressed") === "true"`);
  await page.until(`${number("frame")} >= ${before + 2}`);
  await page.evaluate(`${run}.click()`);
  await page.until(`${run}.getAttribute("aria-pressed") === "false"`);
}

/** A finger that moves to the left over the picture, and stays there. */
async function swipe(page: BrowserPage): Promise<void> {
  await page.touch("touchStart", "#canvas");
  const { x, y } = await page.evaluate<{ x: number; y: number }>(
    `(() => { const r = document.getElementById("canvas").getBoundingClientRect();
      return { x: r.x + r.width / 2 - 60, y: r.y + r.height / 2 }; })()`,
  );
  await page.call("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: [{ x, y }] });
  await page.until(`${text("action")} === "left"`);
  await page.touch("touchEnd", "#canvas");
  await page.until(HELD);
}

/** Nothing is cut off, the world and its pad are in sight, and axe finds nothing in either theme. */
async function fits(page: BrowserPage, width: number, height: number): Promise<void> {
  const size = { width, height, deviceScaleFactor: 1, mobile: false };
  await page.call("Emulation.setDeviceMetricsOverride", size);
  await page.evaluate("scrollTo(0, 0)");
  const hidden = await page.evaluate<string[]>(
    `[...document.querySelectorAll("#canvas, [data-action]"), document.body].filter((element) => {
      const { left, right, top, bottom } = element.getBoundingClientRect();
      const high = element !== document.body && (top < 0 || bottom > innerHeight);
      return left < 0 || right > innerWidth || high || element.scrollWidth > innerWidth;
    }).map(({ outerHTML }) => outerHTML.slice(0, 80))`,
  );
  assert.deepEqual(hidden, [], `${width}x${height}`);
  await page.evaluate(axe.source);
  for (const value of ["light", "dark"]) {
    const features = [{ name: "prefers-color-scheme", value }];
    await page.call("Emulation.setEmulatedMedia", { features });
    const found = await page.evaluate<string[]>(
      `axe.run().then(({ violations }) => violations.flatMap(({ id, nodes }) =>
        nodes.map(({ html }) => id + ": " + html.slice(0, 80))))`,
    );
    assert.deepEqual(found, [], `${width}x${height}, ${value}`);
    await picture(page, `${width}x${height}-${value}`);
  }
}

/** Keeps a screenshot where FAR_SCREENSHOTS names a folder, to be looked at. */
async function picture(page: BrowserPage, name: string): Promise<void> {
  const folder = Deno.env.get("FAR_SCREENSHOTS");
  if (!folder) return;
  const { data } = await page.call("Page.captureScreenshot");
  await Deno.writeFile(join(folder, `${name}.png`), Buffer.from(data as string, "base64"));
}

/** The program has ended: the page says so, and nothing on it can be pressed. */
async function lost(page: BrowserPage): Promise<void> {
  await page.until(`!document.getElementById("lost").hidden`);
  assert.equal(await page.evaluate(`document.getElementById("controls").disabled`), true);
  assert.equal(await page.evaluate(text("connection")), "not connected");
  await picture(page, "lost");
}
