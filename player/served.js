// The script of the page of `far play --web`.

import { openLink } from "./link.js";
import { startPlayer } from "./page.js";

startPlayer(openLink);
