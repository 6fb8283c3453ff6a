import { GpuError } from "../gpu/errors.ts";
import { type RgbFrame, toRgb } from "../media/frames.ts";
import type { LiveSettings } from "../run/live.ts";
import type { Frame } from "../run/prepared_run.ts";
import { ActionHistory } from "./action_history.ts";
import { ActionInput } from "./action_input.ts";

/** The part of `LiveWorld` that a game needs. */
export interface World {
  step(action?: number): Promise<Pick<Frame, "index" | "pixels">>;
  configure(settings: LiveSettings): Promise<void>;
  close(): void;
}

/** A world at its beginning. */
export interface Opening {
  readonly world: World;
  /** The newest frame of the context: what the player sees first. */
  readonly picture: RgbFrame | undefined;
  /** Frames of context. */
  readonly frames: number;
}

/** What a game is played with. */
export interface GameOptions {
  /** Names of the beginnings there are; the first is the one to start with. */
  readonly clips: readonly string[];
  readonly settings: LiveSettings;
  /** The most frames a second. */
  readonly fps: number;
  /** Names of the model's actions, by number; empty for a model that takes none. */
  readonly actions: readonly string[];
  /** Puts what the library says into the words that players know. */
  explain?(message: string): string;
  /** The action of a frame for which no key is down, where there is one. */
  readonly idle?: number;
  open(clip: string, settings: LiveSettings): Promise<Opening>;
}

/** One frame as it is shown. */
export interface Shown {
  readonly picture: RgbFrame;
  /** Since the last restart, context included. */
  readonly index: number;
  /** Absent in an opening picture, and in models that take no actions. */
  readonly action: number | undefined;
  /** Frames a second of late. */
  readonly rate: number;
}

/** Who is told what happens. The game waits for what `frame` returns. */
export interface GameWatcher {
  frame(shown: Shown): Promise<void> | void;
  /** Settings, clip or running changed. */
  changed?(): void;
  /** Something that was asked for cannot be done; the game goes on. */
  refused?(message: string): void;
}

/** What players asked for since the last frame; of several wishes for one thing, the newest. */
interface Wanted {
  settings?: LiveSettings;
  clip?: string;
}

/** Frames over which the rate is taken. */
const RATE_FRAMES = 8;

/**
 * The loop of `far play`: samples the keys, makes a frame, shows it. With a model that takes
 * actions, a world stands still while no key is down, unless it was set running; others run.
 */
export class Game {
  readonly input = new ActionInput();
  readonly history: ActionHistory;
  readonly #options: GameOptions;
  readonly #watchers = new Set<GameWatcher>();
  #world: World | undefined;
  #settings: LiveSettings;
  #clip: string;
  #running: boolean;
  #attended = true;
  #frames = 0;
  #contextFrames = 0;
  #generated = 0;
  #openings = 0;
  #configured = false;
  #shown: Shown | undefined;
  #wanted: Wanted = {};
  #poked = false;
  #wake: () => void = () => {};
  #lastEnd: number | undefined;
  #intervals: number[] = [];

  constructor(options: GameOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#clip = options.clips[0]!;
    this.#running = options.actions.length === 0;
    this.history = new ActionHistory(options.actions);
  }

  get settings(): LiveSettings {
    return this.#settings;
  }

  get clip(): string {
    return this.#clip;
  }

  get running(): boolean {
    return this.#running;
  }

  /** Frames shown in all. */
  get frames(): number {
    return this.#frames;
  }

  /** Frames of the context of this world, and frames made since. */
  get contextFrames(): number {
    return this.#contextFrames;
  }

  get generated(): number {
    return this.#generated;
  }

  /** Whether all frames so far come of one beginning and one choice of settings. */
  get untouched(): boolean {
    return this.#openings === 1 && !this.#configured;
  }

  /** What is on the screen. */
  get shown(): Shown | undefined {
    return this.#shown;
  }

  watch(watcher: GameWatcher): void {
    this.#watchers.add(watcher);
  }

  unwatch(watcher: GameWatcher): void {
    this.#watchers.delete(watcher);
  }

  /** A game that nobody looks at stands still. */
  set attended(attended: boolean) {
    this.#attended = attended;
    if (!attended) this.input.clear();
    this.poke();
  }

  /** Whether frames are made though no key is down. */
  run(on: boolean): void {
    this.#running = on;
    this.#changed();
    this.poke();
  }

  /** Says that there is new input. */
  poke(): void {
    this.#poked = true;
    this.#wake();
  }

  /** Begins anew with a clip. */
  restart(clip = this.#clip): void {
    if (!this.#options.clips.includes(clip)) return this.#refuse(`There is no clip "${clip}"`);
    this.#wanted.clip = clip;
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
   * @throws what the model or a watcher throws
   */
  async play(signal: AbortSignal): Promise<void> {
    const wake = () => this.poke();
    signal.addEventListener("abort", wake);
    try {
      if (!signal.aborted) await this.#open(this.#clip);
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

  /** Whether a frame is wanted now. */
  get #due(): boolean {
    return this.#attended && (this.#running || this.input.waiting);
  }

  /**
   * Does one of the things that players asked for: the loop looks at the signal between two of them.
   * @returns whether there was anything to do
   */
  async #serveWish(): Promise<boolean> {
    const { settings, clip } = this.#wanted;
    if (settings) {
      this.#wanted.settings = undefined;
      await this.#attempt(() => this.#configure(settings));
    } else if (clip !== undefined) {
      this.#wanted.clip = undefined;
      await this.#attempt(() => this.#open(clip));
    }
    return settings !== undefined || clip !== undefined;
  }

  /** What does not fit the model or the GPU is the player's mistake; all else ends the game. */
  async #attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      const mistake = error instanceof RangeError || error instanceof TypeError ||
        (error instanceof GpuError && error.reason === "limit");
      if (!mistake || !this.#world) throw error;
      this.#refuse(this.#options.explain?.(error.message) ?? error.message);
    }
  }

  async #configure(settings: LiveSettings): Promise<void> {
    const wanted = { ...this.#settings, ...settings };
    await this.#world!.configure(wanted);
    this.#settings = wanted;
    this.#configured = true;
    this.#changed();
  }

  async #open(clip: string): Promise<void> {
    this.#world?.close();
    this.#world = undefined;
    const { world, picture, frames } = await this.#options.open(clip, this.#settings);
    this.#world = world;
    this.#clip = clip;
    this.#contextFrames = frames;
    this.#generated = 0;
    this.#openings++;
    this.input.clear();
    this.history.clear();
    this.#forgetRate();
    if (picture) await this.#show({ picture, index: frames - 1, action: undefined, rate: 0 });
    this.#changed();
  }

  async #step(): Promise<void> {
    const takesActions = this.#options.actions.length > 0;
    const kept = this.#running ? this.input.lastTap : undefined;
    const action = takesActions ? this.input.sample() ?? kept ?? this.#options.idle : undefined;
    const { index, pixels } = await this.#world!.step(action);
    this.#generated++;
    if (action !== undefined) this.history.push(action);
    await this.#show({ picture: toRgb(pixels), index, action, rate: this.#rate() });
  }

  async #show(shown: Shown): Promise<void> {
    this.#shown = shown;
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

  /** The least time of a frame. As a timer it also lets sockets and keys be served. */
  #pause(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 1000 / this.#options.fps));
  }

  async #untilPoked(): Promise<void> {
    this.#forgetRate();
    if (!this.#poked) await new Promise<void>((resolve) => this.#wake = resolve);
    this.#poked = false;
  }
}
