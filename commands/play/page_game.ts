import { SessionVideo } from "../../app_large.ts";
import { MediaError, type RgbFrame } from "../../mod.ts";
import { branchOf, imagesOf, welcomeOf } from "../../player/desk.ts";
import { savedGif } from "../../player/saved_gif.js";
import { settingsMetadata } from "../../cli/settings.ts";
import { isLoopback } from "./access.ts";
import type { Game } from "../../player/game.ts";
import type { SavedKind } from "../../player/protocol.ts";
import { EVERYWHERE, lanAddresses, openBrowser, qrCode } from "./page_address.ts";
import { PlayServer } from "./server.ts";
import { pathCommand, sessionSettings } from "./session_settings.ts";
import type { PlaySetup } from "./setup.ts";
import { MEMORY_FRAMES, PORT } from "./spec.ts";
import { withPictures } from "./thumbnails.ts";

/** Serves the game as a page until the signal ends it. */
export async function playInPage(game: Game, setup: PlaySetup): Promise<void> {
  const { options, signal } = setup;
  const { port = PORT, lan, host = lan ? EVERYWHERE : "127.0.0.1" } = options;
  const { video, problem } = openVideo(setup);
  if (video) game.watch({ frame: ({ picture }) => video.append(picture) });
  const { pipeline: { info }, size, fps, keys: actions } = setup;
  const { memoryFrames = MEMORY_FRAMES } = options;
  const clips = await withPictures(setup.clips, size);
  const session = crypto.randomUUID();
  const facts = { session, ...size, fps, actions, clips, memoryFrames, unsaveable: problem };
  const welcome = welcomeOf(info, facts);
  const save = async () => {
    if (!video) throw new MediaError(problem!);
    return await video.save(metadata(game, setup, video.dropped));
  };
  const saveBranch = async (kind: SavedKind, frame: number) =>
    kind === "gif"
      ? await savedGif(imagesOf(game, frame), setup.fps)
      : await branchVideo(branchOf(game, frame), setup);
  const command = (frame: number) => pathCommand(game, frame, setup);
  const server = new PlayServer(game, { hostname: host, port, welcome, save, saveBranch, command });
  try {
    announce(server.url, host, setup);
    await game.play(signal);
  } finally {
    video?.close();
    await server.close();
  }
}

/** Says where the page is; on the whole network, and in the browser, where that is wanted. */
function announce(url: string, host: string, { options, terminal }: PlaySetup): void {
  const { port } = new URL(url);
  const local = options.lan ? `http://127.0.0.1:${port}/` : url;
  terminal.note(`Play at ${local} (Ctrl-C ends it)`);
  if (!isLoopback(host)) terminal.note("warning: anyone who can reach this address can play");
  if (options.lan) {
    const [first, ...others] = lanAddresses().map((address) => `http://${address}:${port}/`);
    if (first === undefined) terminal.note("warning: this machine is on no network");
    else {terminal.note(
        `From the same network: ${[first, ...others].join(" or ")}\n${qrCode(first)}`,
      );}
  }
  if (!options.open) return;
  openBrowser(local).then((why) => why && terminal.note(`warning: cannot open a browser: ${why}`));
}

/** The frames of a branch as a video. @throws {MediaError} there is no encoder */
async function branchVideo(
  frames: readonly RgbFrame[],
  { size, fps }: PlaySetup,
): Promise<Uint8Array<ArrayBuffer>> {
  const video = new SessionVideo({ ...size, fps });
  try {
    for (const frame of frames) await video.append(frame);
    return await video.save();
  } finally {
    video.close();
  }
}

/** What the page's "Save MP4" gives; without an encoder there is none. */
function openVideo({ size, fps }: PlaySetup): { video?: SessionVideo; problem?: string } {
  try {
    return { video: new SessionVideo({ ...size, fps }) };
  } catch (error) {
    if (!(error instanceof MediaError)) throw error;
    return { problem: `${error.message}; start with --record FILE instead` };
  }
}

/** The command that makes the same frames again, where one does. */
function metadata(game: Game, setup: PlaySetup, dropped: number): Record<string, string> {
  const made = sessionSettings(game, setup);
  if (made) return settingsMetadata(made);
  const without = dropped > 0 ? `, without the first ${dropped}` : "";
  return { comment: `far play, ${game.frames} frames of ${setup.pipeline.info.name}${without}` };
}
