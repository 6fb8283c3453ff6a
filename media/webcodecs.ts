import { createRequire } from "node:module";
import process from "node:process";
import { reasonOf, UnsupportedMediaError } from "./errors.ts";

/** Colour tags as WebCodecs names them; null or absent if the stream does not have them. */
export interface ColourTags {
  readonly primaries?: string | null;
  readonly transfer?: string | null;
  readonly matrix?: string | null;
  readonly fullRange?: boolean | null;
}

/** A picture inside the addon. `close()` frees it; the garbage collector would be too late. */
export interface CodecFrame {
  readonly format: string | null;
  readonly codedWidth: number;
  readonly codedHeight: number;
  readonly visibleRect: { readonly x: number; readonly y: number; width: number; height: number };
  readonly timestamp: number;
  readonly duration: number | null;
  readonly colorSpace: ColourTags;
  allocationSize(options?: { format?: string }): number;
  copyTo(
    into: Uint8Array,
    options?: { format?: string },
  ): Promise<{ readonly offset: number; readonly stride: number }[]>;
  close(): void;
}

/** One compressed picture. Times are in microseconds. */
export interface CodecChunk {
  readonly type: "key" | "delta";
  readonly timestamp: number;
  readonly byteLength: number;
  copyTo(into: Uint8Array): void;
}

/** Settings of a decoder. */
export interface DecoderConfig {
  readonly codec: string;
  readonly codedWidth?: number;
  readonly codedHeight?: number;
  readonly description?: Uint8Array;
}

/** The part of `VideoEncoder` used here. */
export interface CodecEncoder {
  readonly encodeQueueSize: number;
  readonly state: "unconfigured" | "configured" | "closed";
  configure(config: Record<string, unknown>): void;
  encode(frame: CodecFrame, options?: { keyFrame?: boolean }): void;
  flush(): Promise<void>;
  close(): void;
}

/** The part of `VideoDecoder` used here. */
export interface CodecDecoder {
  readonly decodeQueueSize: number;
  readonly state: "unconfigured" | "configured" | "closed";
  configure(config: DecoderConfig): void;
  decode(chunk: CodecChunk): void;
  flush(): Promise<void>;
  close(): void;
}

/** The part of `ImageDecoder` used here. */
export interface CodecImageDecoder {
  decode(options?: { frameIndex?: number }): Promise<{ readonly image: CodecFrame }>;
  close(): void;
}

/** The WebCodecs classes of the addon. */
export interface WebCodecs {
  readonly VideoEncoder: {
    new (handlers: {
      output(chunk: CodecChunk, metadata?: { decoderConfig?: DecoderConfig }): void;
      error(error: Error): void;
    }): CodecEncoder;
  };
  readonly VideoDecoder: {
    new (handlers: { output(frame: CodecFrame): void; error(error: Error): void }): CodecDecoder;
  };
  readonly VideoFrame: { new (data: Uint8Array, init: Record<string, unknown>): CodecFrame };
  readonly EncodedVideoChunk: {
    new (init: {
      type: "key" | "delta";
      timestamp: number;
      duration?: number;
      data: Uint8Array;
    }): CodecChunk;
  };
  readonly ImageDecoder: {
    new (init: { data: Uint8Array; type: string }): CodecImageDecoder;
  };
}

/**
 * Never called. The literal import puts the package into the module graph, so that Deno downloads
 * it and `deno compile` embeds it; an addon cannot be imported, only loaded with `require`.
 */
export function declareAddon(): Promise<unknown> {
  return import("@napi-rs/webcodecs-linux-x64-gnu");
}

/** The addon's package for this system, by `platform-arch`. */
const PACKAGES: Readonly<Record<string, string>> = {
  "linux-x64": "@napi-rs/webcodecs-linux-x64-gnu",
  "linux-arm64": "@napi-rs/webcodecs-linux-arm64-gnu",
  "darwin-x64": "@napi-rs/webcodecs-darwin-x64",
  "darwin-arm64": "@napi-rs/webcodecs-darwin-arm64",
  "win32-x64": "@napi-rs/webcodecs-win32-x64-msvc",
  "win32-arm64": "@napi-rs/webcodecs-win32-arm64-msvc",
};

/**
 * Loads the video codecs: FFmpeg's, behind the WebCodecs interface, as a native addon. The
 * environment variable `FAR_NO_ADDON=1` makes it count as missing.
 *
 * @throws {UnsupportedMediaError} if there is no addon for this system or it cannot be loaded
 */
export function loadWebCodecs(): WebCodecs {
  const system = `${process.platform}-${process.arch}`;
  const name = PACKAGES[system];
  if (!name) throw new UnsupportedMediaError(`there is no video codec addon for ${system}`);
  if (isSwitchedOff()) {
    throw new UnsupportedMediaError("the video codec addon is disabled (FAR_NO_ADDON=1)");
  }
  try {
    return createRequire(import.meta.url)(name) as WebCodecs;
  } catch (error) {
    const reason = reasonOf(error).replace(/ Require stack:.*/, "");
    throw new UnsupportedMediaError(`the video codec addon cannot be loaded: ${reason}`);
  }
}

/** Why the addon cannot be used; undefined if it can. */
export function webCodecsProblem(): string | undefined {
  try {
    loadWebCodecs();
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

function isSwitchedOff(): boolean {
  try {
    return Deno.env.get("FAR_NO_ADDON") === "1";
  } catch {
    return false; // No permission to read it: treat it as unset.
  }
}
