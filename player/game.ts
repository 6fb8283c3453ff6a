import { GpuError } from "../gpu/errors.ts";
import { type RgbFrame, toRgb } from "../media/frames.ts";
import type { LiveSettings, Moment } from "../run/live.ts";
import type { Frame } from "../run/prepared_run.ts";
import { ActionHistory } from "./action_history.ts";
import { ActionInput } from "./action_input.ts";
import { type KeptFrame, type Shown, Timeline } from "./timeline.ts";

export type { Shown } from "./timeline.ts";

/** The part of `LiveWorld` that a game needs. */
export interface World {
  step(action?: number): Promise<Pick<Frame, "index" | "pixels">>;
  configure(settings: LiveSettings): Promise<void>;
  /** What decides all that comes. */
  readonly moment: Moment;
  goTo(moment: Moment): Promise<void>;
  close(): void;
}

/** A newly opened world. */
export interface Opening {
  readonly world: World;
  /** The last frame of the context, which the player sees first. */
  readonly picture: RgbFrame | undefined;
  /** Frames of context. */
  readonly frames: number;
}

/** Settings of a game. */
export interface GameOptions {
  /** Names of the start clips; the first is the default. */
  readonly clips: readonly string[];
  readonly settings: LiveSettings;
  /** Most frames per second. */
  readonly fps: number;
  /** Names of the model's actions, by number; empty for a model that takes none. */
  readonly actions: readonly string[];
  /** Rewords the library's messages for players. */
  explain?(message: string): string;
  /** The action for frames without a key, if there is one. */
  readonly idle?: number;
  /** The class to begin with, and how many there are, for a model that takes a label. */
  readonly label?: number;
  readonly labels?: number;
  /**
   * Whether a world that went back goes on as if it had never been elsewhere (true). Not where keys
   * of a window are kept, which depend on when each frame was encoded.
   */
  readonly exactReturn?: boolean;
  open(clip: string, settings: LiveSettings, label: number | undefined): Promise<Opening>;
}

/** Callbacks of a game, which awaits the result of `frame`. */
export interface GameWatcher {
  frame(shown: Shown): Promise<void> | void;
  /** Settings, clip or running have changed. */
  changed?(): void;
  /** A request cannot be fulfilled; the game continues. */
  refused?(message: string): void;
}

/** Requests since the last frame; of several for one thing, the newest. */
interface Wanted {
  settings?: LiveSettings;
  clip?: string;
  label?: number;
  /** Number of a frame. */
  frame?: number;
}

/** The beginning of a game's world, the frames made since then, and the one on the screen. */
type Place = Pick<KeptFrame, "clip" | "label" | "contextFrames" | "generated"> & {
  readonly shown: Shown | undefined;
};

/** Before the first frame, which follows none. */
function beginning(clip: string, label: number | undefined, contextFrames: number): Place {
  return { clip, label, contextFrames, generated: 0, shown: undefined };
}

/** Frames over which the rate is averaged. */
const RATE_FRAMES = 8;

/**
 * The loop of `far play`: samples the keys, makes a frame, shows it. With a model that takes
 * actions, a world stands still while no key is pressed, unless it was set running; others always
 * run.
 */
export class Game {
  readonly input = new ActionInput();
  /** All frames that can be gone back to. */
  readonly timeline = new Timeline();
  readonly #watchers = new Set<GameWatcher>();
  #world: World | undefined;
  #settings: LiveSettings;
  #place: Place;
  #history: ActionHistory;
  #running: boolean;
  #attended = true;
  #frames = 0;
  /** Openings after the first, changes of settings, and returns to earlier frames. */
  #turns = -1;
  /** The world remembers what it did before otherwise than one that was never elsewhere. */
  #strays = false;
  #wanted: Wanted = {};
  #poked = false;
  #wake: () => void = () => {};
  #lastEnd: number | undefined;
  #intervals: number[] = [];

  constructor(private readonly options: GameOptions) {
    this.#settings = options.settings;
    this.#place = beginning(options.clips[0]!, options.label, 0);
    this.#running = options.actions.length === 0;
    this.#history = new ActionHistory(options.actions);
  }

  get settings(): LiveSettings {
    return this.#settings;
  }

  get clip(): string {
    return this.#place.clip;
  }

  /** The class of the world, for a model that takes a label. */
  get label(): number | undefined {
    return this.#place.label;
  }

  /** The actions that led to the frame on the screen. */
  get history(): ActionHistory {
    return this.#history;
  }

  /** The actions that led to a frame. */
  historyTo(frame: number): ActionHistory {
    const path = this.timeline.path(frame);
    const history = new ActionHistory(this.options.actions);
    history.clear(this.timeline.isWhole(path));
    for (const { shown: { action } } of path) if (action !== undefined) history.push(action);
    return history;
  }

  get running(): boolean {
    return this.#running;
  }

  /** Total frames shown. */
  get frames(): number {
    return this.#frames;
  }

  /** Whether all frames so far come from one start and one choice of settings. */
  get untouched(): boolean {
    return this.#turns === 0;
  }

  /** The frame on the screen. */
  get shown(): Shown | undefined {
    return this.#place.shown;
  }

  watch(watcher: GameWatcher): void {
    this.#watchers.add(watcher);
  }

  unwatch(watcher: GameWatcher): void {
    this.#watchers.delete(watcher);
  }

  /** A game that nobody watches stands still. */
  set attended(attended: boolean) {
    this.#attended = attended;
    if (!attended) this.input.clear();
    this.poke();
  }

  /** Whether to generate frames while no key is pressed. */
  run(on: boolean): void {
    this.#running = on;
    this.#changed();
    this.poke();
  }

  /** Wakes the loop for new input. */
  poke(): void {
    this.#poked = true;
    this.#wake();
  }

  /** Restarts with a clip. */
  restart(clip = this.clip, label = this.label): void {
    if (!this.options.clips.includes(clip)) return this.#refuse(`There is no clip "${clip}"`);
    if (label !== undefined && label >= (this.options.labels ?? 0)) {
      return this.#refuse(`There is no class ${label}`);
    }
    this.#wanted.clip = clip;
    this.#wanted.label = label;
    this.poke();
  }

  /** Goes back to a frame that was shown; what is made from there is a branch. */
  goTo(frame: number): void {
    if (!this.timeline.get(frame)) return this.#refuse(`Frame ${frame} is no longer kept`);
    this.#wanted.frame = frame;
    this.poke();
  }

  /** Changes settings from the next frame on. */
  configure(settings: LiveSettings): void {
    this.#wanted.settings = { ...this.#wanted.settings, ...settings };
    this.poke();
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher.changed?.();
  }

  #refuse(message: string): void {
    for (const watcher of this.#watchers) watcher.refused?.(message);
  }

  /**
   * Plays until the signal aborts; then the world is closed.
   * @throws errors of the model or a watcher
   */
  async play(signal: AbortSignal): Promise<void> {
    const wake = () => this.poke();
    signal.addEventListener("abort", wake);
    try {
      if (!signal.aborted) await this.#open(this.clip, this.label);
      while (!signal.aborted) {
        if (await this.#serveWish() || signal.aborted) continue;
        if (!this.#due) await this.#untilPoked();
        else await Promise.all([this.#pause(), this.#step()]); // the step blocks: timer first
      }
    } finally {
      signal.removeEventListener("abort", wake);
      this.#world?.close();
      this.#world = undefined;
    }
  }

  /** Whether a frame is due now. */
  get #due(): boolean {
    return this.#attended && (this.#running || this.input.waiting || this.#isBlank);
  }

  /** A world without a picture yet makes one by itself, if it knows how to stand still. */
  get #isBlank(): boolean {
    const { actions, idle } = this.options;
    return !this.shown && (actions.length === 0 || idle !== undefined);
  }

  /**
   * Fulfils one of the players' requests; the loop checks the signal between two of them.
   * @returns whether there was one
   */
  async #serveWish(): Promise<boolean> {
    const { settings, clip, label = this.label, frame } = this.#wanted;
    if (settings) {
      this.#wanted.settings = undefined;
      await this.#attempt(() => this.#configure(settings));
    } else if (clip !== undefined) {
      this.#wanted.clip = undefined;
      await this.#attempt(() => this.#open(clip, label));
    } else if (frame !== undefined) {
      this.#wanted.frame = undefined;
      await this.#attempt(() => this.#goBack(frame));
    }
    return settings !== undefined || clip !== undefined || frame !== undefined;
  }

  /** A request that does not fit the model or the GPU is refused; other errors end the game. */
  async #attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      const mistake = error instanceof RangeError || error instanceof TypeError ||
        (error instanceof GpuError && error.reason === "limit");
      if (!mistake || !this.#world) throw error;
      this.#refuse(this.options.explain?.(error.message) ?? error.message);
    }
  }

  async #configure(settings: LiveSettings): Promise<void> {
    const wanted = { ...this.#settings, ...settings };
    await this.#world!.configure(wanted);
    this.#settings = wanted;
    this.#turns++;
    this.#changed();
  }

  async #open(clip: string, label: number | undefined): Promise<void> {
    this.#world?.close();
    this.#world = undefined;
    const { world, picture, frames } = await this.options.open(clip, this.#settings, label);
    this.#world = world;
    this.#place = beginning(clip, label, frames);
    this.#turns++;
    this.#strays = false;
    this.input.clear();
    this.#history.clear();
    this.#forgetRate();
    if (picture) await this.#show({ picture, index: frames - 1, action: undefined, rate: 0 });
    this.#changed();
  }

  async #step(): Promise<void> {
    const takesActions = this.options.actions.length > 0;
    const kept = this.#running ? this.input.lastTap : undefined;
    const action = takesActions ? this.input.sample() ?? kept ?? this.options.idle : undefined;
    const { index, pixels } = await this.#world!.step(action);
    this.#place = { ...this.#place, generated: this.#place.generated + 1 };
    if (action !== undefined) this.#history.push(action);
    await this.#show({ picture: toRgb(pixels), index, action, rate: this.#rate() });
  }

  async #goBack(frame: number): Promise<void> {
    const kept = this.timeline.get(frame);
    if (!kept) return this.#refuse(`Frame ${frame} is no longer kept`);
    await this.#world!.goTo(kept.moment);
    this.#turns++;
    this.#strays = this.options.exactReturn === false && kept.generated > 0;
    this.#place = kept;
    this.input.clear();
    this.#forgetRate();
    this.#history = this.historyTo(frame);
    this.#changed();
  }

  async #show(made: Omit<Shown, "id" | "parent">): Promise<void> {
    const before = this.timeline.get(this.shown?.id);
    const shown = { ...made, id: this.timeline.next, parent: this.shown?.id };
    const settings = this.#settings;
    const plain = !before || before.generated === 0 ||
      before.plain && before.settings === settings && !this.#strays;
    const kept = { ...this.#place, shown, moment: this.#world!.moment, settings, plain };
    this.timeline.add(kept);
    this.#place = kept;
    this.#frames++;
    for (const watcher of this.#watchers) await watcher.frame(shown);
  }

  #rate(): number {
    const now = performance.now();
    if (this.#lastEnd !== undefined) this.#intervals.push(now - this.#lastEnd);
    this.#lastEnd = now;
    if (this.#intervals.length > RATE_FRAMES) this.#intervals.shift();
    const sum = this.#intervals.reduce((a, b) => a + b, 0);
    return sum > 0 ? 1000 * this.#intervals.length / sum : 0;
  }

  #forgetRate(): void {
    this.#lastEnd = undefined;
    this.#intervals = [];
  }

  /** Waits for the least time per frame. As a timer, it also lets sockets and keys be served. */
  #pause(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 1000 / this.options.fps));
  }

  async #untilPoked(): Promise<void> {
    this.#forgetRate();
    if (!this.#poked) await new Promise<void>((resolve) => this.#wake = resolve);
    this.#poked = false;
  }
}
