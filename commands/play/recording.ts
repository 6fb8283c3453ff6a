import { ACTIONS_KEY } from "../../app.ts";
import { type FrameWriter, openFrameWriter, type WriterOptions } from "../../mod.ts";
import { sizeMetadata } from "../../request/viewing_scale.ts";
import { type Settings, settingsMetadata } from "../../cli/settings.ts";
import { ActionHistory } from "../../player/action_history.ts";
import type { GameWatcher, Shown } from "../../player/game.ts";
import { count } from "../../request/report.ts";

/** Settings of a recording. */
export interface RecordingOptions extends Omit<WriterOptions, "metadata" | "actions" | "frames"> {
  /** Names of the model's actions, by number; empty for a model that takes none. */
  readonly names: readonly string[];
  /** The action recorded for a frame without one, such as the first. */
  readonly idle?: number;
}

/** Writes all shown frames to a file, with the action that led to each. */
export class Recording implements GameWatcher {
  private constructor(
    private readonly writer: FrameWriter,
    private readonly metadata: Record<string, string>,
    private readonly actions: number[] | undefined,
    private readonly options: RecordingOptions,
  ) {}

  /** @throws {MediaError} the file cannot be created, or its format cannot be written here */
  static async open(path: string, options: RecordingOptions): Promise<Recording> {
    const metadata = sizeMetadata(options, options.scale);
    const actions = options.names.length > 0 ? [] : undefined;
    const writer = await openFrameWriter(path, { ...options, metadata, actions });
    return new Recording(writer, metadata, actions, options);
  }

  async frame({ picture, action }: Shown): Promise<void> {
    this.actions?.push(action ?? this.options.idle ?? 0);
    await this.writer.write(picture);
  }

  /**
   * Finishes the file.
   * @param made the command that makes these frames again, if there is one
   * @returns a message about the file
   */
  async close(made: Settings | undefined): Promise<string> {
    if (made) Object.assign(this.metadata, settingsMetadata(made));
    if (this.actions) this.metadata[ACTIONS_KEY] = this.#actionText(this.actions);
    const { path, frames } = await this.writer.close();
    return `wrote ${path}, ${count(frames, "frame")}`;
  }

  /** Removes what was written, unless it was closed. */
  abort(): Promise<void> {
    return this.writer.abort();
  }

  #actionText(actions: readonly number[]): string {
    const history = new ActionHistory(this.options.names);
    for (const action of actions) history.push(action);
    return history.text();
  }
}
