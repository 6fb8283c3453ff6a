import { basename, extname, join, resolve } from "node:path";
import { printable } from "../../app.ts";
import { entriesIn } from "../../cli/folder.ts";
import { type Fit, readSource, type Source } from "../../request/sources.ts";

/** Which frames of a clip a world starts with. */
export interface ClipChoice {
  /** The start clip; undefined starts from noise. */
  readonly context?: string;
  readonly contextFrames?: number;
  readonly contextStart?: number;
  readonly contextStride?: number;
  /** Whether fewer frames are acceptable if a clip has no more. */
  readonly upTo?: boolean;
}

/** Name of the start without a clip. */
export const NOTHING = "nothing";

const CLIP_FILES = /.\.(npz|npy|mp4|webm|mov|mkv|gif|y4m)$/i;

/** The starts that a game offers, by name. */
export class StartClips {
  private constructor(
    private readonly paths: ReadonlyMap<string, string>,
    private readonly choice: ClipChoice,
    private readonly fit: Fit,
  ) {}

  /**
   * The chosen clip first, then those in the model's folder `clips`, then noise.
   * @param folder of the model
   */
  static async find(choice: ClipChoice, folder: string, fit: Fit): Promise<StartClips> {
    const paths = new Map<string, string>();
    const add = (path: string) => {
      if ([...paths.values()].some((known) => resolve(known) === resolve(path))) return;
      const stem = printable(basename(path, extname(path)) || path);
      paths.set(paths.has(stem) || stem === NOTHING ? printable(basename(path)) : stem, path);
    };
    if (choice.context !== undefined) add(choice.context);
    for (const path of await clipsIn(join(folder, "clips"))) add(path);
    return new StartClips(paths, choice, fit);
  }

  /** Names; the first is the default. */
  get names(): readonly string[] {
    const names = [...this.paths.keys()];
    return this.choice.context === undefined ? [NOTHING, ...names] : [...names, NOTHING];
  }

  /** File of a start; undefined for noise. */
  path(name: string): string | undefined {
    return this.paths.get(name);
  }

  /** Frames of a start; undefined for noise. @throws {MediaError} it cannot be read */
  async read(name: string): Promise<Source | undefined> {
    const path = this.paths.get(name);
    if (path === undefined) return undefined;
    const { contextFrames: count, contextStart: start, contextStride: stride, upTo } = this.choice;
    const fit = { ...this.fit, always: true };
    return await readSource(path, { count, start, stride, upTo, fit });
  }
}

async function clipsIn(folder: string): Promise<string[]> {
  const files = (await entriesIn(folder)).filter(({ isFile }) => isFile).map(({ name }) => name);
  const order = new Intl.Collator("en", { numeric: true }).compare;
  return files.filter((name) => CLIP_FILES.test(name)).sort(order)
    .map((name) => join(folder, name));
}
