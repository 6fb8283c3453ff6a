import { type Solver, SOLVERS } from "../model/scheduler.ts";
import type { LiveSettings } from "../run/live.ts";
import type { ActionKeys } from "./action_keys.ts";

/** What the frames of a branch can be saved as. */
export type SavedKind = typeof SAVED_KINDS[number];
export const SAVED_KINDS = ["mp4", "gif"] as const;

/** Messages of the page. */
export type ClientMessage =
  | { readonly type: "press" | "release"; readonly action: number }
  | { readonly type: "clear" }
  | { readonly type: "save"; readonly kind: SavedKind; readonly frame: number }
  | { readonly type: "run"; readonly on: boolean }
  | { readonly type: "restart"; readonly clip: string; readonly label?: number }
  | { readonly type: "back" | "command"; readonly frame: number }
  | { readonly type: "settings"; readonly settings: LiveSettings };

/** A start clip that a page offers. */
export interface StartClip {
  readonly name: string;
  /** Thumbnail as a data URL; absent for the start from noise. */
  readonly picture?: string;
}

/** First message to a page. */
export interface Welcome {
  readonly type: "welcome";
  /** Differs between programs: their frames are numbered alike. */
  readonly session?: string;
  readonly model: string;
  readonly description: string;
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly guided: boolean;
  readonly actions: readonly ActionKeys[];
  readonly clips: readonly StartClip[];
  /** Names of the classes, for a model that takes a label. */
  readonly labels?: readonly string[];
  readonly limits: { readonly steps: number; readonly guidance: number };
  readonly memoryFrames: number;
  /** Why a session cannot be saved, if so. */
  readonly unsaveable?: string;
}

/** State that changes occasionally. */
export interface State {
  readonly type: "state";
  readonly clip: string;
  /** The class of the world, for a model that takes a label. */
  readonly label: number | undefined;
  readonly settings: LiveSettings;
  readonly running: boolean;
  /** Frames of the whole session. */
  readonly frames: number;
  /** Number of the frame on the screen; absent before the first. */
  readonly at: number | undefined;
  /** Actions since the last restart, oldest first, in the notation of --actions. */
  readonly history: string;
}

/** An error; the world continues. */
export interface Complaint {
  readonly type: "error";
  readonly message: string;
}

/** The command that makes the frames up to a given one again, where one does. */
export interface Answer {
  readonly type: "command";
  readonly command: string | undefined;
}

/** Text messages of the server; frames are binary. */
export type ServerMessage = Welcome | State | Complaint | Answer;

/** What only a worker says to its page: how far loading is, that it has come to nothing, a file. */
export type WorkerMessage =
  | ServerMessage
  | { readonly type: "loading"; readonly done: number; readonly total: number }
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "file"; readonly kind: SavedKind; readonly bytes: Uint8Array<ArrayBuffer> };

/** Limits of the sliders and of a page's requests. */
export const LIMITS = { steps: 100, guidance: 10 } as const;

const LONGEST_MESSAGE = 1000;

/**
 * Parses a message of the page.
 * @throws {SyntaxError} it is invalid
 */
export function parseClientMessage(data: unknown): ClientMessage {
  if (typeof data !== "string" || data.length > LONGEST_MESSAGE) {
    throw new SyntaxError("A message must be a short text");
  }
  const json: unknown = JSON.parse(data);
  const message = typeof json === "object" && json !== null ? json as Record<string, unknown> : {};
  const { type, action, on, clip, label, frame, kind } = message;
  switch (type) {
    case "press":
    case "release":
      if (isCount(action)) return { type, action };
      break;
    case "clear":
      return { type };
    case "run":
      if (typeof on === "boolean") return { type, on };
      break;
    case "restart":
      if (typeof clip !== "string") break;
      if (label === undefined) return { type, clip };
      if (isCount(label)) return { type, clip, label };
      break;
    case "save":
      if (SAVED_KINDS.includes(kind as SavedKind) && isCount(frame)) {
        return { type, kind: kind as SavedKind, frame };
      }
      break;
    case "back":
    case "command":
      if (isCount(frame)) return { type, frame };
      break;
    case "settings":
      return { type, settings: parseSettings(message) };
  }
  throw new SyntaxError(`Cannot understand the message ${data}`);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function parseSettings({ steps, guidance, solver }: Record<string, unknown>): LiveSettings {
  const settings: { steps?: number; guidance?: number; solver?: Solver } = {};
  if (steps !== undefined) {
    const fits = Number.isSafeInteger(steps) && (steps as number) >= 1 &&
      (steps as number) <= LIMITS.steps;
    if (!fits) throw new SyntaxError(`steps must be a whole number from 1 to ${LIMITS.steps}`);
    settings.steps = steps as number;
  }
  if (guidance !== undefined) {
    const fits = typeof guidance === "number" && guidance >= -1 && guidance <= LIMITS.guidance;
    if (!fits) throw new SyntaxError(`guidance must be a number from -1 to ${LIMITS.guidance}`);
    settings.guidance = guidance as number;
  }
  if (solver !== undefined) {
    if (!SOLVERS.includes(solver as Solver)) {
      throw new SyntaxError(`solver must be one of ${SOLVERS.join(", ")}`);
    }
    settings.solver = solver as Solver;
  }
  return settings;
}

/** A frame for the page. */
export interface FrameMessage {
  /** Number among all frames of the session. */
  readonly id: number;
  /** Number of the frame before it; -1 at a beginning. */
  readonly parent: number;
  /** Index since the last restart, including context. */
  readonly index: number;
  /** Recent frames per second, by the server's clock. */
  readonly rate: number;
  /** Action that led to it; -1 for none. */
  readonly action: number;
  readonly width: number;
  readonly height: number;
  /** RGB interleaved. */
  readonly pixels: Uint8Array;
}

/**
 * Bytes before the pixels: index u32, rate f32, action i32, width u16, height u16, id u32,
 * parent i32; little-endian.
 */
const HEADER = 24;

/** A frame as a binary message. */
export function frameBytes(frame: FrameMessage): Uint8Array<ArrayBuffer> {
  const { id, parent, index, rate, action, width, height, pixels } = frame;
  const bytes = new Uint8Array(HEADER + pixels.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, index, true);
  view.setFloat32(4, rate, true);
  view.setInt32(8, action, true);
  view.setUint16(12, width, true);
  view.setUint16(14, height, true);
  view.setUint32(16, id, true);
  view.setInt32(20, parent, true);
  bytes.set(pixels, HEADER);
  return bytes;
}
