import type { GameOptions, World } from "../../../player/game.ts";
import type { LiveSettings, Moment } from "../../../run/live.ts";
import { GpuError } from "../../../mod.ts";

export const SIZE = { width: 4, height: 2 };

/** A world whose pictures are all of one level: the action's, times 50. */
export class FakeWorld implements World {
  readonly actions: (number | undefined)[] = [];
  readonly settings: LiveSettings[] = [];
  closed = false;
  /** Called at each step. */
  onStep: (step: number) => void = () => {};

  constructor(readonly first: number) {}

  step(action?: number) {
    this.actions.push(action);
    this.onStep(this.actions.length);
    const data = new Float32Array(3 * SIZE.width * SIZE.height).fill((action ?? 5) * 50 / 255);
    const index = this.first + this.actions.length - 1;
    return Promise.resolve({ index, pixels: { ...SIZE, data } });
  }

  get moment(): Moment {
    const noise = { words: new Uint32Array(), index: 0, cachedNormal: undefined };
    return { remembered: [], noise, shown: this.first + this.actions.length };
  }

  goTo({ shown }: Moment): Promise<void> {
    this.actions.length = shown - this.first;
    return Promise.resolve();
  }

  configure(settings: LiveSettings): Promise<void> {
    const { guidance = 1 } = settings;
    if (guidance > 6) return Promise.reject(new GpuError("limit", "too little memory"));
    if (guidance > 5) return Promise.reject(new RangeError("too much guidance"));
    this.settings.push(settings);
    return Promise.resolve();
  }

  close(): void {
    this.closed = true;
  }
}

/** Options of a game on fake worlds, and the worlds that it has opened. */
export function fakeGame(options: Partial<GameOptions> = {}) {
  const worlds: FakeWorld[] = [];
  const opened: string[] = [];
  const made: GameOptions = {
    clips: ["one", "two"],
    settings: { steps: 4, guidance: 1 },
    fps: 1000,
    actions: ["forward", "left", "right", "stay"],
    idle: 3,
    open(clip) {
      const world = new FakeWorld(12);
      worlds.push(world);
      opened.push(clip);
      const data = new Uint8Array(3 * SIZE.width * SIZE.height).fill(200);
      return Promise.resolve({ world, frames: 12, picture: { ...SIZE, data } });
    },
    ...options,
  };
  return { options: made, worlds, opened };
}
