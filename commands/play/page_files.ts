import { Buffer } from "node:buffer";
import { PAGE, SCRIPTS, STYLE } from "../../player/page_scripts.ts";

/** A file of the page. */
export interface PageFile {
  readonly type: string;
  readonly body: Buffer;
}

/** Packages that come as one file for browsers too. */
const PACKAGES: Readonly<Record<string, () => string>> = {
  "/packages/gifenc.esm.js": () => import.meta.resolve("gifenc/dist/gifenc.esm.js"),
  "/packages/mediabunny.js": () =>
    new URL("../../bundles/mediabunny.min.mjs", import.meta.resolve("mediabunny")).href,
};

/** A file of the page by its path; undefined if there is none. */
export async function pageFile(path: string): Promise<PageFile | undefined> {
  if (path === "/") return { type: "text/html; charset=utf-8", body: Buffer.from(PAGE) };
  if (path === "/page.css") return { type: "text/css; charset=utf-8", body: Buffer.from(STYLE) };
  const body = SCRIPTS[path]?.replace(/ from "(\w+)";/, ' from "/packages/$1.js";') ??
    await packageText(path);
  if (body === undefined) return undefined;
  return { type: "text/javascript; charset=utf-8", body: Buffer.from(body) };
}

/** Without them the page cannot save by itself; nothing else fails. */
async function packageText(path: string): Promise<string | undefined> {
  const locate = PACKAGES[path];
  return locate && await Deno.readTextFile(new URL(locate())).catch(() => undefined);
}
