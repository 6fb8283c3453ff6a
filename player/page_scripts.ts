import film from "./film.js" with { type: "text" };
import gifFrame from "../media/gif_frame.js" with { type: "text" };
import link from "./link.js" with { type: "text" };
import page from "./page.html" with { type: "text" };
import player from "./served.js" with { type: "text" };
import savedGif from "./saved_gif.js" with { type: "text" };
import savedMp4 from "./saved_mp4.js" with { type: "text" };
import saving from "./saving.js" with { type: "text" };
import script from "./page.js" with { type: "text" };
import steering from "./steering.js" with { type: "text" };
import style from "./page.css" with { type: "text" };

/** Page and style of `far play --web`. */
export const PAGE = page;
export const STYLE = style;

/** Its scripts by their paths; packages are in the folder `packages`. */
export const SCRIPTS: Readonly<Record<string, string>> = {
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
