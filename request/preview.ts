import { isPattern } from "../app.ts";
import { fitFrame, type Frame, openFrameWriter, toRgb } from "../mod.ts";
import { UsageError } from "../cli/errors.ts";
import { halfBlocks } from "./half_blocks.ts";
import type { Terminal } from "../cli/terminal.ts";

/** Comment that marks a preview, so that the next one may replace it. */
const PREVIEW = "preview of far";

/** Whether a file is an earlier preview, by its metadata. */
export function isPreview({ comment }: Record<string, string>): boolean {
  return comment === PREVIEW;
}

/** Shows the newest frame while more are generated. */
export interface Preview {
  /** Whether it replaces a progress bar. */
  readonly drawsOnScreen: boolean;
  show(frame: Frame): Promise<void>;
}

/**
 * Opens the target of `--preview`: a .png that is rewritten, or the terminal.
 * @throws {UsageError} another kind of file, or no terminal
 */
export function openPreview(target: string | undefined, terminal: Terminal): Preview | undefined {
  if (target === undefined) return undefined;
  if (target === "terminal") {
    if (terminal.live) return new ScreenPreview(terminal);
    throw new UsageError("Cannot preview in the terminal: stderr is not a terminal");
  }
  if (target.toLowerCase().endsWith(".png") && !isPattern(target)) {
    return new PngPreview(target, terminal);
  }
  throw new UsageError(`Cannot preview to "${target}": give a name that ends in .png, or terminal`);
}

/** A picture file that is always complete: each one is renamed over the last. */
class PngPreview implements Preview {
  readonly drawsOnScreen = false;
  #failed = false;

  constructor(readonly path: string, readonly terminal: Terminal) {}

  /** An error ends the preview, not the run, which may have taken hours. */
  async show({ video, pixels }: Frame): Promise<void> {
    if (video !== 0 || this.#failed) return;
    try {
      await this.#write(pixels);
    } catch (error) {
      this.#failed = true;
      const why = error instanceof Error ? error.message : String(error);
      this.terminal.note(`warning: ${why}; continuing without the preview`);
    }
  }

  async #write(pixels: Frame["pixels"]): Promise<void> {
    const { width, height } = pixels;
    const options = { width, height, fps: 1, frames: 1, metadata: { comment: PREVIEW } };
    await using writer = await openFrameWriter(this.path, options);
    await writer.write(toRgb(pixels));
    await writer.close();
  }
}

/** Pictures drawn over each other on the screen. */
class ScreenPreview implements Preview {
  readonly drawsOnScreen = true;
  #lines = 0;

  constructor(readonly terminal: Terminal) {}

  show({ video, index, kind, pixels }: Frame): Promise<void> {
    if (video !== 0) return Promise.resolve();
    const width = Math.min(pixels.width, this.terminal.columns);
    const height = Math.max(1, Math.round(pixels.height * width / pixels.width));
    const lines = [...halfBlocks(fitFrame(toRgb(pixels), width, height)), `${kind} ${index}`];
    const back = this.#lines > 0 ? `\x1b[${this.#lines}A` : "";
    this.terminal.draw(back + lines.map((line) => `${line}\x1b[K`).join("\n"));
    this.#lines = lines.length;
    return Promise.resolve();
  }
}
