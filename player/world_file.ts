import { isObject, type JsonObject } from "../files/json.ts";
import { type Solver, SOLVERS } from "../model/scheduler.ts";

/** A file split into pieces. */
export interface CutFile {
  /** Paths relative to the page, in order. */
  readonly pieces: readonly { readonly path: string; readonly bytes: number }[];
}

/**
 * A start clip: a safetensors file with `frames` [F, H, W, 3] U8 and, if known, `actions` [F] I32.
 */
export interface ClipFile {
  readonly name: string;
  /** Path relative to the page. */
  readonly path: string;
  readonly bytes: number;
  /** Its last frame, as a data URL. */
  readonly picture: string;
}

/** Settings for playing a world. */
export interface WorldSettings {
  readonly width: number;
  readonly height: number;
  readonly steps: number;
  readonly guidance: number;
  readonly solver: Solver;
  readonly seed: number;
  /** Number of frames the world remembers. */
  readonly memoryFrames: number;
  /** First class, for models with labels. */
  readonly label?: number;
}

/** Transformer or autoencoder. */
export interface WorldPart {
  readonly config: JsonObject;
  /** Its weights: one safetensors file, or shards. */
  readonly weights: readonly CutFile[];
}

/** `world.json` of an exported world: everything small, and the paths of the rest. */
export interface WorldFile {
  readonly version: typeof VERSION;
  /** The model as `far generate --model` finds it; absent: its name. */
  readonly model?: string;
  readonly far: JsonObject;
  readonly modelIndex: JsonObject;
  readonly scheduler: JsonObject;
  readonly transformer: WorldPart;
  readonly vae: WorldPart;
  readonly clips: readonly ClipFile[];
  readonly settings: WorldSettings;
}

/** Name of the file next to the page. */
export const WORLD_FILE = "world.json";
/** Raised when older players cannot read the format. */
export const VERSION = 1;

/**
 * Reads `world.json`.
 * @throws {SyntaxError} it is something else, such as a host's page for missing files
 */
export function parseWorldFile(text: string): WorldFile {
  const world = object(JSON.parse(text), "it");
  if (world.version !== VERSION) throw new SyntaxError(`its version is ${world.version}`);
  return {
    version: VERSION,
    model: world.model === undefined ? undefined : words(world.model, "model"),
    far: object(world.far, "far"),
    modelIndex: object(world.modelIndex, "modelIndex"),
    scheduler: object(world.scheduler, "scheduler"),
    transformer: part(world.transformer, "transformer"),
    vae: part(world.vae, "vae"),
    clips: list(world.clips, "clips").map((value) => {
      const { name, path, bytes, picture } = object(value, "a clip");
      return {
        name: words(name, "name"),
        path: relative(path),
        bytes: count(bytes, "bytes"),
        picture: words(picture, "picture"),
      };
    }),
    settings: settings(object(world.settings, "settings")),
  };
}

function part(value: unknown, name: string): WorldPart {
  const { config, weights } = object(value, name);
  return { config: object(config, "config"), weights: list(weights, "weights").map(cutFile) };
}

function cutFile(value: unknown): CutFile {
  const pieces = list(object(value, "weights").pieces, "pieces").map((value) => {
    const { path, bytes } = object(value, "a piece");
    return { path: relative(path), bytes: count(bytes, "bytes") };
  });
  return { pieces };
}

function settings(value: Record<string, unknown>): WorldSettings {
  const { solver, guidance, label } = value;
  if (!SOLVERS.includes(solver as Solver)) throw new SyntaxError(`its solver is ${solver}`);
  if (typeof guidance !== "number") throw new SyntaxError(`its guidance is ${guidance}`);
  return {
    width: count(value.width, "width"),
    height: count(value.height, "height"),
    steps: count(value.steps, "steps"),
    guidance,
    solver: solver as Solver,
    seed: count(value.seed, "seed"),
    memoryFrames: count(value.memoryFrames, "memoryFrames"),
    label: label === undefined ? undefined : count(label, "label"),
  };
}

/** A check of one kind of value. @returns what throws {SyntaxError} for all others */
function kind<T>(what: string, fits: (value: unknown) => value is T) {
  return (value: unknown, name: string): T => {
    if (fits(value)) return value;
    throw new SyntaxError(`${name} is not ${what}`);
  };
}

const object = kind("an object", isObject);
const list = kind<readonly unknown[]>("a list", Array.isArray);
const words = kind("a text", (value) => typeof value === "string");
const count = kind(
  "a whole number",
  (value): value is number => Number.isSafeInteger(value) && value as number >= 0,
);

/** Files must be next to the page: no other site, no path out of the folder. */
function relative(value: unknown): string {
  if (typeof value === "string" && /^(?!\.)[\w.-]+(\/(?!\.)[\w.-]+)*$/.test(value)) return value;
  throw new SyntaxError(`${JSON.stringify(value)} is not a file of the page's folder`);
}
