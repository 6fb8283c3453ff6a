/**
 * Why a file of weights was refused. The first group has the names of the safetensors reference.
 */
export type CheckpointReason =
  | "HeaderTooSmall"
  | "HeaderTooLarge"
  | "InvalidHeaderLength"
  | "InvalidHeader"
  | "InvalidHeaderDeserialization"
  | "MetadataIncompleteBuffer"
  | "InvalidOffset"
  | "TensorInvalidInfo"
  | "ValidationOverflow"
  | "MisalignedSlice"
  // our own
  | "DuplicateKey"
  | "NotSafetensors"
  | "NotCheckpoint"
  | "ShortRead"
  | "FileChanged"
  | "NotFound"
  | "BadIndex"
  | "BadConfig"
  | "BadZip"
  | "BadPickle"
  | "RefusedGlobal"
  | "BadStorage"
  | "NamesAndShapes"
  | "WrongDtype"
  | "NonFinite"
  | "Overflow"
  | "Unwritable"
  | "Hub"
  | "BadDownload";

/** Details of a {@linkcode CheckpointError} besides its message. */
export interface CheckpointDetails {
  /** Path of the file or folder. */
  file?: string;
  reason: CheckpointReason;
  /** Names the model needs and the file lacks. */
  missing?: readonly string[];
  /** Names the file has and the model doesn't know. */
  unexpected?: readonly string[];
  /** Names whose shape differs from the model's. */
  misshaped?: readonly string[];
  /** Whether a retry may succeed: the network failed, a server was busy. */
  temporary?: boolean;
  cause?: unknown;
}

/** A file of weights or something related cannot be used. The message is one line. */
export class CheckpointError extends Error {
  /** Always `CheckpointError`. */
  override readonly name = "CheckpointError";
  /** Path of the file or folder. */
  readonly file?: string;
  /** What kind of failure. */
  readonly reason: CheckpointReason;
  /** Names the model needs and the file lacks. */
  readonly missing: readonly string[];
  /** Names the file has and the model doesn't know. */
  readonly unexpected: readonly string[];
  /** Names whose shape differs from the model's. */
  readonly misshaped: readonly string[];
  /** Whether a retry may succeed. */
  readonly temporary: boolean;

  /** An error with a message of one line and its details. */
  constructor(message: string, details: CheckpointDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.file = details.file;
    this.reason = details.reason;
    this.missing = details.missing ?? [];
    this.unexpected = details.unexpected ?? [];
    this.misshaped = details.misshaped ?? [];
    this.temporary = details.temporary ?? false;
  }
}

/** An error found in a file, with the file's name added if its message lacks it. */
export function naming(file: string, error: unknown): unknown {
  if (!(error instanceof CheckpointError) || error.file) return error;
  const { message, reason } = error;
  return new CheckpointError(`Cannot read ${quote(file)}: ${message}`, { file, reason });
}

/** A path in the hub's cache has about 160 characters, and is useless without its end. */
const LONGEST_QUOTE = 300;

// C0, DEL, C1, zero-width and bidirectional controls, separators, lone surrogates
const HOSTILE =
  // deno-lint-ignore no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\p{Cs}/gu;

/** Text from a file, safe to show: characters that could control the terminal are escaped. */
export function printable(text: string): string {
  return text.replace(
    HOSTILE,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A name from a file, quoted for a message: escaped, and cut if it is long. */
export function quote(name: string): string {
  const cut = name.length > LONGEST_QUOTE
    ? `${name.slice(0, LONGEST_QUOTE)}... (${name.length} characters)`
    : name;
  return `"${printable(cut.replace(/["\\]/g, "\\$&"))}"`;
}

/** `[2, 3]`; long shapes are cut. */
export function shapeText(shape: readonly (number | bigint)[]): string {
  const shown = shape.length > 8 ? [...shape.slice(0, 8), "..."] : shape;
  return `[${shown.join(", ")}]`;
}

/** The first few names of a list, quoted, and how many more there are. */
export function quoteSome(names: readonly string[], most = 5): string {
  const shown = names.slice(0, most).map(quote).join(", ");
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}
