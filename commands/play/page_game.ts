import { SessionVideo } from "../../app.ts";
import { MediaError } from "../../mod.ts";
import { settingsMetadata } from "../../cli/settings.ts";
import { isLoopback } from "./access.ts";
import type { Game } from "../../player/game.ts";
import { LIMITS, type Welcome } from "../../player/protocol.ts";
import { PlayServer } from "./server.ts";
import { sessionSettings } from "./session_settings.ts";
import type { PlaySetup } from "./setup.ts";
import { MEMORY_FRAMES, PORT } from "./spec.ts";

/** Serves the game as a page until the signal ends it. */
export async function playInPage(game: Game, setup: PlaySetup): Promise<void> {
  const { options, terminal, signal } = setup;
  const { port = PORT, host: hostname = "127.0.0.1" } = options;
  const { video, problem } = openVideo(setup);
  if (video) game.watch({ frame: ({ picture }) => video.append(picture) });
  const welcome = welcomeOf(setup, problem);
  const save = async () => {
    if (!video) throw new MediaError(problem!);
    return await video.save(metadata(game, setup, video.dropped));
  };
  const server = new PlayServer(game, { hostname, port, welcome, save });
  try {
    terminal.note(`Play at ${server.url} (Ctrl-C ends it)`);
    if (!isLoopback(hostname)) terminal.note("warning: anyone who can reach this address can play");
    await game.play(signal);
  } finally {
    video?.close();
    await server.close();
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

function welcomeOf(setup: PlaySetup, unsaveable: string | undefined): Welcome {
  const { pipeline: { info }, options, size, clips, keys, fps } = setup;
  return {
    type: "welcome",
    model: info.name,
    description: info.description ?? "",
    ...size,
    fps,
    guided: info.condition.kind !== "none",
    actions: keys,
    clips: clips.names.map((name) => ({ name })),
    limits: LIMITS,
    memoryFrames: options.memoryFrames ?? MEMORY_FRAMES,
    unsaveable,
  };
}

/** The command that makes the same frames again, where one does. */
function metadata(game: Game, setup: PlaySetup, dropped: number): Record<string, string> {
  const made = sessionSettings(game, setup);
  if (made) return settingsMetadata(made);
  const without = dropped > 0 ? `, without the first ${dropped}` : "";
  return { comment: `far play, ${game.frames} frames of ${setup.pipeline.info.name}${without}` };
}
