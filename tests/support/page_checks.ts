import assert from "node:assert/strict";
import { join } from "node:path";
import axe from "axe-core";
import type { CDPSession, Page } from "playwright-core";

/** Fails unless all elements are within the window, and nothing is wider than it. */
export async function assertInSight(page: Page, selector: string): Promise<void> {
  const hidden = await page.evaluate<string[]>(
    `[...document.querySelectorAll(${JSON.stringify(selector)}), document.body]
      .filter((element) => {
        const { left, right, top, bottom } = element.getBoundingClientRect();
        const high = element !== document.body && (top < 0 || bottom > innerHeight);
        return left < 0 || right > innerWidth || high || element.scrollWidth > innerWidth;
      }).map(({ outerHTML }) => outerHTML.slice(0, 80))`,
  );
  assert.deepEqual(hidden, []);
}

/** Fails if axe finds anything. */
export async function assertAccessible(page: Page): Promise<void> {
  await page.evaluate(axe.source);
  const found = await page.evaluate<string[]>(
    `axe.run().then(({ violations }) => violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html }) => id + ": " + html.slice(0, 80))))`,
  );
  assert.deepEqual(found, []);
}

/** Keeps a screenshot where FAR_SCREENSHOTS names a folder, to be looked at. */
export async function keepPicture(page: Page, name: string): Promise<void> {
  const folder = Deno.env.get("FAR_SCREENSHOTS");
  if (folder) await page.screenshot({ path: join(folder, `${name}.png`) });
}

/** A finger that stays on the screen; Playwright itself only taps. */
export class Finger {
  private constructor(readonly session: CDPSession, private x: number, private y: number) {}

  /** Puts it on the middle of an element. */
  static async on(page: Page, selector: string): Promise<Finger> {
    const { x, y, width, height } = (await page.locator(selector).boundingBox())!;
    const session = await page.context().newCDPSession(page);
    const finger = new Finger(session, x + width / 2, y + height / 2);
    await finger.#send("touchStart");
    return finger;
  }

  async move(right: number, down: number): Promise<void> {
    this.x += right;
    this.y += down;
    await this.#send("touchMove");
  }

  async lift(): Promise<void> {
    await this.#send("touchEnd");
    await this.session.detach();
  }

  async #send(type: "touchStart" | "touchMove" | "touchEnd"): Promise<void> {
    const touchPoints = type === "touchEnd" ? [] : [{ x: this.x, y: this.y }];
    await this.session.send("Input.dispatchTouchEvent", { type, touchPoints });
  }
}
