import type { Browser, Locator, Page } from "playwright-core";

/** Where Debian's Chromium is, if it is installed. */
export const CHROMIUM = await findChromium();

async function findChromium(): Promise<string | undefined> {
  for (const path of ["/usr/bin/chromium", "/usr/bin/chromium-browser"]) {
    if (await Deno.stat(path).then(() => true, () => false)) return path;
  }
  return undefined;
}

/** For pages that compute nothing. */
const NO_GPU = ["--disable-gpu"];
/** For pages that compute with WebGPU, on the CPU. */
export const SWIFTSHADER = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

/** Longest wait for anything in a page: machines that run tests may be busy. */
const PATIENCE_MS = 120_000;

/** Runs a test with a headless Chromium of its own. */
export async function withBrowser(
  test: (browser: Browser) => Promise<void>,
  flags: readonly string[] = NO_GPU,
): Promise<void> {
  const { chromium } = await import("playwright-core");
  const args = ["--no-sandbox", "--disable-quic", ...flags];
  const browser = await chromium.launch({ executablePath: CHROMIUM, args, timeout: PATIENCE_MS });
  try {
    await test(browser);
  } finally {
    await browser.close();
  }
}

/** Waits until an expression is true in a page. @throws {Error} if it never is */
export async function until(page: Page, expression: string): Promise<void> {
  // not waitForFunction(): it evaluates texts inside the page, which its security policy forbids
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end;) {
    if (await page.evaluate(`Boolean(${expression})`)) return;
    await page.waitForTimeout(50);
  }
  throw new Error(`${expression} never became true in the page`);
}

/** The file that a click saves. */
export async function downloadOf(page: Page, button: Locator, to: string): Promise<void> {
  const [download] = await Promise.all([
    page.waitForEvent("download", { timeout: PATIENCE_MS }),
    button.click(),
  ]);
  await download.saveAs(to);
}
