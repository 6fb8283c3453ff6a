import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { PlayServer } from "../../../commands/play/server.ts";
import { Game } from "../../../player/game.ts";
import { LIMITS, type Welcome } from "../../../player/protocol.ts";
import { CHROMIUM, until, withBrowser } from "../../support/chromium.ts";
import { assertAccessible } from "../../support/page_checks.ts";
import { fakeGame, SIZE } from "./fake_world.ts";

if (!CHROMIUM) {
  console.error("NOT TESTED: what the player's page shows, as no Chromium is installed");
}

/** Names that strangers may give models, actions, clips and classes. */
const HOSTILE = `<img src=x onerror="document.title='owned'"></option>\u202e\x1b[2J&amp;`;
const LABELS = ["cat", "dog", HOSTILE];
/** A frame time beyond the page's patience. */
const SLOW_MS = 2500;

const text = (id: string) => `document.getElementById("${id}").textContent`;

/** The page of a game on fake worlds: of actions, or of classes. */
async function onPage(
  kind: "actions" | "labels",
  test: (page: Page, made: ReturnType<typeof fakeGame>, game: Game) => Promise<void>,
): Promise<void> {
  const byLabel = kind === "labels" ? { actions: [], labels: LABELS.length, label: 0 } : {};
  const made = fakeGame({ clips: [HOSTILE, "two"], fps: 10, ...byLabel });
  const game = new Game(made.options);
  const welcome: Welcome = {
    type: "welcome",
    model: HOSTILE,
    description: HOSTILE,
    ...SIZE,
    fps: 8,
    guided: true,
    actions: kind === "labels" ? [] : [
      { action: 0, name: HOSTILE, keys: ["arrowup", "w", "1"] },
      { action: 1, name: "left", keys: ["arrowleft"] },
    ],
    clips: [HOSTILE, "two"].map((name) => ({ name })),
    labels: kind === "labels" ? LABELS : undefined,
    limits: LIMITS,
    memoryFrames: 128,
  };
  const none = () => Promise.reject(new Error("there is none"));
  const listen = { hostname: "127.0.0.1", port: 0, welcome };
  const server = new PlayServer(game, {
    ...listen,
    save: none,
    saveBranch: none,
    command: () => undefined,
  });
  const quit = new AbortController();
  const played = game.play(quit.signal);
  try {
    await withBrowser(async (browser) => {
      const page = await browser.newPage();
      await page.goto(server.url);
      await until(page, `${text("connection")} === "connected" && ${text("frame")}`);
      await test(page, made, game);
    });
  } finally {
    quit.abort();
    await played;
    await server.close();
  }
}

Deno.test({
  name: "the player's page shows strangers' names as text, steps with their rates, and slow frames",
  ignore: !CHROMIUM,
  fn: () =>
    onPage("actions", async (page, made) => {
      assert.equal(await page.evaluate(text("model")), HOSTILE);
      assert.match(await page.title(), /^far play: <img/); // not what its script would have said
      assert.equal(await page.locator("img, script:not([src])").count(), 0);
      assert.equal(await page.locator("[data-clip]").first().textContent(), HOSTILE);
      await assertAccessible(page);

      const steps = page.locator("[data-steps]");
      const numbers = await steps.evaluateAll((all) =>
        all.map((b) => b.getAttribute("data-steps"))
      );
      assert.deepEqual(numbers, ["1", "2", "4", "8", "16", "25", "50"]);
      await page.keyboard.down("w");
      await until(
        page,
        `/^4[0-9.]+\\/s$/.test(document.querySelector('[data-steps="4"]').textContent)`,
      );
      await page.keyboard.up("w");

      const world = made.worlds[0]!;
      const step = world.step.bind(world);
      world.step = async (action?: number) => {
        await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
        return await step(action);
      };
      await page.keyboard.press("ArrowLeft");
      await until(page, `${text("action")} === "left"`); // the one that was under way, perhaps
      await page.keyboard.down("ArrowLeft");
      await until(page, `!document.getElementById("computing").hidden`);
      await page.keyboard.up("ArrowLeft");
      await until(page, `document.getElementById("computing").hidden`);
      await page.getByRole("button", { name: "Copy command" }).click();
      await until(page, `${text("error")}.startsWith("No command makes these frames")`);
    }),
});

Deno.test({
  name: "the player's page searches the classes of a model with labels",
  ignore: !CHROMIUM,
  fn: () =>
    onPage("labels", async (page, _, game) => {
      const offered = await page.locator("#labels option").evaluateAll((all) =>
        all.map((option) => (option as unknown as { value: string }).value)
      );
      assert.deepEqual(offered, LABELS);
      const search = page.getByLabel("Class");
      assert.deepEqual([await search.getAttribute("type"), await search.inputValue()], [
        "search",
        "cat",
      ]);
      await search.fill("DOG");
      await search.press("Enter");
      await until(page, `document.getElementById("label").value === "dog"`);
      assert.equal(game.label, 1);
      await search.fill("fish");
      await search.press("Enter");
      await until(page, `${text("error")} === 'There is no class "fish"'`);
      await assertAccessible(page);
    }),
});
