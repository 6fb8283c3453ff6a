import type { Pipeline } from "../run/pipeline.ts";
import { actionKeys, idleAction, labelNames } from "./action_keys.ts";
import {
  fetchWorldFile,
  inPageWords,
  loadWorld,
  NOTHING,
  worldBytes,
  worldOpener,
} from "./browser_world.ts";
import { frameMessage, imagesOf, obey, stateOf, welcomeOf } from "./desk.ts";
import { savedGif } from "./saved_gif.js";
import { savedMp4 } from "./saved_mp4.js";
import { commandOf } from "./world_command.ts";
import { PlayerError } from "./download.ts";
import { Game } from "./game.ts";
import { parseClientMessage, type SavedKind, type WorkerMessage } from "./protocol.ts";
import type { WorldFile } from "./world_file.ts";

/** The part of a worker's global scope used here: its port to the page. */
export interface Port {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: unknown, transfer?: Transferable[]): void;
}

/**
 * Plays an exported world in a browser's worker until the page is closed.
 * @param base where the exported files are
 */
export async function runWorker(port: Port, base: URL): Promise<void> {
  const tell = (message: WorkerMessage) => port.postMessage(message);
  try {
    checkBrowser();
    const world = await fetchWorldFile(base);
    const total = worldBytes(world);
    let done = 0;
    tell({ type: "loading", done, total });
    const pipeline = await loadWorld(world, base, (bytes) => {
      done += bytes;
      tell({ type: "loading", done, total });
    });
    await play(port, pipeline, world, base);
  } catch (error) {
    tell({ type: "failed", message: inPageWords(error) });
  }
}

/** @throws {PlayerError} the browser cannot compute on a GPU */
function checkBrowser(): void {
  if (navigator.gpu) return;
  if (!(globalThis as { isSecureContext?: boolean }).isSecureContext) {
    throw new PlayerError(
      "Browsers let only secure pages use the GPU: open this page by https://, or on localhost.",
    );
  }
  throw new PlayerError(
    "This browser has no WebGPU, by which the world is computed. Use a current Chrome, Edge or " +
      "Safari; on Linux, WebGPU may have to be switched on in the browser's settings.",
  );
}

async function play(port: Port, pipeline: Pipeline, world: WorldFile, base: URL): Promise<void> {
  const tell = (message: WorkerMessage) => port.postMessage(message);
  const { info } = pipeline;
  const { fps } = info;
  const keys = actionKeys(info);
  const clips = [...world.clips.map(({ name, picture }) => ({ name, picture })), { name: NOTHING }];
  const { steps, guidance, solver, label, width, height, memoryFrames } = world.settings;
  const game = new Game({
    clips: clips.map(({ name }) => name),
    settings: { steps, guidance, solver },
    fps,
    actions: keys.map(({ name }) => name),
    idle: idleAction(keys),
    label,
    labels: labelNames(info)?.length,
    exactReturn: info.windowCache === "encode",
    open: worldOpener(pipeline, world, base),
  });
  game.watch({
    frame(shown) {
      const bytes = frameMessage(shown);
      port.postMessage(bytes.buffer, [bytes.buffer]);
    },
    changed: () => tell(stateOf(game)),
    refused: (message) => tell({ type: "error", message }),
  });
  const complain = ({ message }: Error) => tell({ type: "error", message });
  const save = async (kind: SavedKind, frame: number) => {
    const make = kind === "mp4" ? savedMp4 : savedGif;
    const bytes = await make(imagesOf(game, frame), fps);
    port.postMessage({ type: "file", kind, bytes }, [bytes.buffer]);
  };
  port.onmessage = ({ data }) => {
    try {
      const message = parseClientMessage(data);
      if (message.type === "save") save(message.kind, message.frame).catch(complain);
      else if (message.type === "command") {
        tell({ type: "command", command: commandOf(game, message.frame, pipeline, world) });
      } else obey(game, message, keys.length);
    } catch (error) {
      complain(error as Error);
    }
  };
  tell(welcomeOf(info, { width, height, fps, actions: keys, clips, memoryFrames }));
  await game.play(new AbortController().signal);
}
