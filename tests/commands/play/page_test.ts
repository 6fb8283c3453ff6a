import assert from "node:assert/strict";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { HAS_FFMPEG, probe } from "../../media/support/ffmpeg.ts";
import { assertAccessible, assertInSight, Finger, keepPicture } from "../../support/page_checks.ts";
import { readClip } from "../../../mod.ts";
import { CHROMIUM, downloadOf, until, withBrowser } from "../../support/chromium.ts";
import { inFolder } from "../../support/folder.ts";
import { startPage } from "./play_process.ts";
import { assertCommandMakes } from "./copied_command.ts";

if (!CHROMIUM) console.error("NOT TESTED: the page of far play, as no Chromium is installed");

const text = (id: string) => `document.getElementById("${id}").textContent`;
const number = (id: string) => `Number(${text(id)}.match(/\\d+/))`;
const LEFT = '[data-action="1"]';
const HELD = `!document.querySelector('[data-action][aria-pressed="true"]')`;
const CONNECTED = `${text("connection")} === "connected"`;
const PIXELS = `document.getElementById("canvas").toDataURL()`;
const FILM = `document.querySelectorAll("#film button").length`;
const CURRENT = `document.querySelector("#film [aria-current]")?.title`;
const DESKTOP = { width: 1280, height: 800 };
const PHONES = [{ width: 390, height: 844 }, { width: 844, height: 390 }];

Deno.test({
  name: "far play --web: open, drive, save, reload, branch, two tabs, phones, lost connection",
  ignore: !CHROMIUM || !HAS_FFMPEG,
  fn: (t) =>
    inFolder(async (folder) => {
      const far = await startPage();
      try {
        await withBrowser(async (browser) => {
          const step = async (name: string, test: () => Promise<void>) =>
            assert.ok(await t.step(name, test), name); // those after it need what it did
          const page = await open(browser, far.url);
          await step("drive", () => drive(page));
          await step("save", () => save(page, folder));
          await step("reload", () => reload(page));
          await step("the copied command makes the same frames", () => copyCommand(page));
          await step("go back, branch and compare", () => timeMachine(page));
          await step("restart with other settings", () => restart(page));
          await step("keyboard only", () => keyboardOnly(page));
          await step("a second tab", () => twoTabs(page));
          await step("all in sight and accessible", () => fits(page, "desktop"));
          await step("phones", () => phones(browser, far.url));
          assert.equal(await far.stop(), 0);
          await step("lost connection", () => lost(page, folder));
          await step("another program", () => anew(page));
        });
      } finally {
        await far.stop();
      }
      assert.equal(far.complaints, "");
    }),
});

/** A player's page, connected and with its first frame. */
async function open(browser: Browser, url: string, phone?: typeof DESKTOP): Promise<Page> {
  const touch = { hasTouch: phone !== undefined, isMobile: phone !== undefined };
  const context = await browser.newContext({ viewport: phone ?? DESKTOP, ...touch });
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const page = await context.newPage();
  await page.goto(url);
  await until(page, `${CONNECTED} && ${number("frame")} >= 11`);
  return page;
}

async function drive(page: Page): Promise<void> {
  const before = await page.evaluate(PIXELS);
  await page.keyboard.down("ArrowUp");
  await until(page, `${number("frame")} >= 14`);
  await page.keyboard.down("Control"); // pressed meanwhile, it must not keep the other down
  await page.keyboard.up("ArrowUp");
  await page.keyboard.up("Control");
  await until(page, HELD);
  assert.notEqual(await page.evaluate(PIXELS), before);
  assert.match(await page.evaluate<string>(text("history")), /^forward\*\d+$/);
  await page.locator(LEFT).click();
  await until(page, `${text("action")} === "left" && ${HELD}`);
}

async function save(page: Page, folder: string): Promise<void> {
  const path = join(folder, "session.mp4");
  await downloadOf(page, page.getByRole("link", { name: "Save the whole session" }), path);
  const { stream, tags } = await probe(path);
  const frames = await page.evaluate<number>(number("frames"));
  assert.equal(Number(stream.nb_frames), frames);
  assert.deepEqual([stream.codec_name, stream.width, stream.height], ["h264", 64, 64]);
  assert.match(tags["comment"]!, /^far generate --model demo .*--actions 'forward\*\d+,left/);
}

async function reload(page: Page): Promise<void> {
  const state = `[${text("history")}, ${number("frame")}, ${PIXELS}].join(" ")`;
  const before = await page.evaluate(state);
  await page.reload();
  // its frames come back one after another
  await until(page, `${CONNECTED} && ${state} === ${JSON.stringify(before)}`);
}

/** Going back makes a branch; both are kept, named and compared. */
async function timeMachine(page: Page): Promise<void> {
  const length = await page.evaluate<number>(FILM);
  assert.ok(length >= 5, `${length} frames`); // a page that is loaded again has them too
  const seen = [await page.evaluate<string>(PIXELS)];
  await page.locator("#film button").nth(2).click();
  await until(page, `${CURRENT}.startsWith("frame 13") && ${text("history")} === "forward*2"`);
  assert.ok(!seen.includes(await page.evaluate<string>(PIXELS))); // the picture has gone back too
  await page.keyboard.press("ArrowRight");
  await until(page, `${text("history")}.startsWith("forward*2,right") && ${HELD}`);
  const branches = page.locator("#branches");
  assert.deepEqual(await branches.getByRole("button").allTextContents(), ["Branch 1", "Branch 2"]);
  await page.getByLabel("Name").fill("to the right");
  await page.getByLabel("Name").blur();
  await page.getByLabel("Compare with").selectOption({ label: "Branch 1" });
  const sides = `["left", "right"].map((id) => document.getElementById(id).toDataURL())`;
  const [left, right] = await page.evaluate<string[]>(sides);
  assert.notEqual(left, right);
  await keepPicture(page, "branches");
  const tip = await page.evaluate(PIXELS);
  await branches.getByRole("button", { name: "Branch 1" }).click();
  await until(page, `${FILM} === ${length} && ${PIXELS} === ${JSON.stringify(seen[0])}`);
  await branches.getByRole("button", { name: "to the right" }).click();
  await until(page, `${PIXELS} === ${JSON.stringify(tip)}`);
  await page.reload();
  await until(page, `${CONNECTED} && ${PIXELS} === ${JSON.stringify(tip)}`);
  const names = ["Branch 1", "to the right"];
  assert.deepEqual(await branches.getByRole("button").allTextContents(), names);
  await branches.getByRole("button", { name: "Branch 1" }).click();
  await until(page, `${FILM} === ${length} && ${PIXELS} === ${JSON.stringify(seen[0])}`);
  await page.keyboard.press("ArrowUp"); // continues the branch, no third one
  await until(page, `${FILM} === ${length + 1} && ${HELD}`);
  await page.reload();
  await until(page, `${CONNECTED} && ${FILM} === ${length + 1}`);
  assert.deepEqual(await branches.getByRole("button").allTextContents(), names);
}

async function copyCommand(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Copy command" }).click();
  await until(page, `${text("copied")} === "copied"`);
  const command = await page.evaluate<string>("navigator.clipboard.readText()");
  const shown = await page.evaluate<number[]>(
    `Array.from(document.getElementById("canvas").getContext("2d")
      .getImageData(0, 0, 64, 64).data).filter((_, i) => i % 4 < 3)`,
  );
  await assertCommandMakes(command, shown);
}

async function restart(page: Page): Promise<void> {
  await page.getByRole("group", { name: "Steps" }).getByRole("button", { name: /^2\b/ }).click();
  await page.getByRole("group", { name: "Begin with" }).getByRole("button", { name: "2" }).click();
  await until(page, `${number("frame")} === 11 && ${text("history")} === ""`);
  const pressed = (group: string) =>
    page.locator(`[${group}][aria-pressed="true"]`).getAttribute(group);
  await until(page, `document.querySelector('[data-steps="2"][aria-pressed="true"]')`);
  assert.equal(await pressed("data-steps"), "2");
  assert.equal(await pressed("data-clip"), "2");
}

/** Tab reaches all; Enter and Space on an action's button hold it, arrows walk on. */
async function keyboardOnly(page: Page): Promise<void> {
  await page.locator("#canvas").focus();
  for (const name of ["forward", "left", "right", "stay"]) {
    await page.keyboard.press("Tab");
    assert.match(await page.evaluate<string>("document.activeElement.textContent"), RegExp(name));
  }
  await page.keyboard.press("Shift+Tab");
  for (const key of ["Enter", "Space"]) {
    await page.keyboard.down(key);
    await until(page, `${text("action")} === "right"`);
    assert.equal(await page.evaluate(HELD), false);
    await page.keyboard.up(key);
    await until(page, HELD);
    await page.keyboard.down("ArrowUp");
    await until(page, `${text("action")} === "forward"`);
    await page.keyboard.up("ArrowUp");
  }
  const run = page.getByRole("button", { name: "Keep running" });
  const runs = (on: boolean) =>
    until(page, `document.getElementById("run").ariaPressed === "${on}"`);
  const before = await page.evaluate<number>(number("frame"));
  await run.press("Enter");
  await runs(true);
  await until(page, `${number("frame")} >= ${before + 2}`);
  await run.press("Space");
  await runs(false);
}

/** A second tab plays the same world: each sees what the other does. */
async function twoTabs(first: Page): Promise<void> {
  const second = await first.context().newPage();
  await second.goto(first.url());
  await until(
    second,
    `${CONNECTED} && ${text("frame")} === ${JSON.stringify(await first.evaluate(text("frame")))}`,
  );
  assert.equal(await second.evaluate(PIXELS), await first.evaluate(PIXELS));
  const before = await first.evaluate<number>(number("frame"));
  await second.keyboard.press("ArrowLeft");
  for (const page of [first, second]) {
    await until(page, `${number("frame")} >= ${before + 1} && ${text("action")} === "left"`);
  }
  await second.locator("#film button").first().click();
  for (const page of [first, second]) await until(page, `${CURRENT}.startsWith("frame 11")`);
  await second.close();
  await first.keyboard.press("ArrowRight");
  await until(first, `${text("history")}.startsWith("right")`);
}

/**
 * Nothing is cut off, the world and its pad are in sight, and axe finds nothing in either theme.
 */
async function fits(page: Page, name: string): Promise<void> {
  await assertInSight(page, "#canvas, [data-action]");
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    await keepPicture(page, `${name}-${colorScheme}`);
    await assertAccessible(page);
  }
}

/** By touch alone: the pad, and a finger that moves over the picture and stays there. */
async function phones(browser: Browser, url: string): Promise<void> {
  const page = await open(browser, url, PHONES[0]);
  for (const size of PHONES) {
    await page.setViewportSize(size);
    await page.locator(LEFT).tap();
    await until(page, `${text("action")} === "left" && ${HELD}`);
    const finger = await Finger.on(page, "#canvas");
    await finger.move(60, 0);
    await until(page, `${text("action")} === "right"`);
    await finger.lift();
    await until(page, HELD);
    await page.evaluate("scrollTo(0, 0)");
    await fits(page, `${size.width}x${size.height}`);
  }
  await page.context().close();
}

/** The program has ended: the page says so, cannot be steered, and saves the frames that it has. */
async function lost(page: Page, folder: string): Promise<void> {
  await until(page, `${text("connection")} === "not connected"`);
  assert.match(
    await page.evaluate<string>(text("lost")),
    /^\s*The connection is lost\. .* saved\./,
  );
  for (const button of ["Restart", "Keep running", "Copy command"]) {
    assert.equal(await page.getByRole("button", { name: button }).isDisabled(), true, button);
  }
  await page.locator("#film button").nth(1).click(); // frames can be looked at
  await until(page, `${CURRENT}.startsWith("frame 12") && ${number("frame")} === 12`);
  await fits(page, "lost");
  const video = join(folder, "lost.mp4");
  await downloadOf(page, page.getByRole("button", { name: "Save MP4" }), video);
  const { stream } = await probe(video);
  assert.deepEqual([Number(stream.nb_frames), stream.width, stream.height], [2, 64, 64]);
  const gif = join(folder, "lost.gif");
  await downloadOf(page, page.getByRole("button", { name: "Share GIF" }), gif);
  assert.deepEqual((await readClip(gif)).frames.map(({ width }) => width), [256, 256]);
}

/**
 * Another program at the same address: the page keeps the old frames until it is told otherwise.
 */
async function anew(page: Page): Promise<void> {
  const far = await startPage({ port: Number(new URL(page.url()).port) });
  try {
    await until(page, `${text("lost")}.includes("started anew")`);
    assert.ok(await page.evaluate<number>(FILM) > 1);
    await page.getByRole("button", { name: "Play the new world" }).click();
    await until(page, `${CONNECTED} && ${FILM} === 1`);
  } finally {
    await far.stop();
  }
}
