import film from "../../player/film.js" with { type: "text" };
import gifFrame from "../../media/gif_frame.js" with { type: "text" };
import link from "../../player/link.js" with { type: "text" };
import page from "../../player/page.html" with { type: "text" };
import player from "../../player/served.js" with { type: "text" };
import savedGif from "../../player/saved_gif.js" with { type: "text" };
import savedMp4 from "../../player/saved_mp4.js" with { type: "text" };
import saving from "../../player/saving.js" with { type: "text" };
import script from "../../player/page.js" with { type: "text" };
import steering from "../../player/steering.js" with { type: "text" };
import style from "../../player/page.css" with { type: "text" };
import { Buffer } from "node:buffer";

/** A file of the page. */
export interface PageFile {
  readonly type: string;
  readonly body: Buffer;
}

const SCRIPTS: Readonly<Record<string, string>> = {
  "/player.js": player,
  "/page.js": script,
  "/film.js": film,
  "/link.js": link,
  "/saved_gif.js": savedGif,
  "/saved_mp4.js": savedMp4,
  "/saving.js": saving,
  "/steering.js": steering,
  "/media/gif_frame.js": gifFrame,
  "/packages/gifenc.js": 'import * as gifenc from "./gifenc.esm.js";\nexport default gifenc;\n',
};

/** Packages that come as one file for browsers too. */
const PACKAGES: Readonly<Record<string, () => string>> = {
  "/packages/gifenc.esm.js": () => import.meta.resolve("gifenc/dist/gifenc.esm.js"),
  "/packages/mediabunny.js": () =>
    new URL("../../bundles/mediabunny.min.mjs", import.meta.resolve("mediabunny")).href,
};

/** A file of the page by its path; undefined if there is none. */
export async function pageFile(path: string): Promise<PageFile | undefined> {
  if (path === "/") return { type: "text/html; charset=utf-8", body: Buffer.from(page) };
  if (path === "/page.css") return { type: "text/css; charset=utf-8", body: Buffer.from(style) };
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
