import type { AtomicFile } from "../files/atomic_file.ts";
import { encode as encodePngImage } from "fast-png";
import type { ByteSink } from "./byte_sink.ts";
import { contactSheet, type SheetLabels } from "./contact_sheet.ts";
import type { FrameWriter, WrittenFile } from "./frame_writer.ts";
import type { RgbFrame } from "./frames.ts";
import { numberedName } from "./numbered_names.ts";
import { createOutput } from "./output_file.ts";
import { toAscii } from "./text_tags.ts";

type Metadata = Readonly<Record<string, string>>;

/** A picture as PNG, with text chunks. */
export function encodePng({ width, height, data }: RgbFrame, metadata: Metadata = {}): Uint8Array {
  const pairs = Object.entries(metadata).map(([name, value]) => [name, toAscii(value)]);
  return encodePngImage({
    width,
    height,
    data,
    depth: 8,
    channels: 3,
    text: Object.fromEntries(pairs),
  });
}

/** Collects all frames into one contact sheet. */
export class SheetWriter implements FrameWriter {
  #frames: RgbFrame[] = [];

  constructor(
    readonly sink: ByteSink,
    readonly metadata?: Metadata,
    readonly labels?: SheetLabels,
  ) {}

  write(frame: RgbFrame): Promise<void> {
    // The caller may reuse the frame.
    this.#frames.push({ ...frame, data: frame.data.slice() });
    return Promise.resolve();
  }

  async close(): Promise<WrittenFile> {
    await this.sink.write(encodePng(this.#sheet(), this.metadata));
    await this.sink.commit();
    return { path: this.sink.path, frames: this.#frames.length, bytes: this.sink.size };
  }

  async abort(): Promise<void> {
    await this.sink.discard();
  }

  /** One picture alone stays as it is. */
  #sheet(): RgbFrame {
    return contactSheet(this.#frames, this.#frames.length > 1 ? this.labels : undefined);
  }
}

/**
 * Writes each frame to its own file, numbered from 0. All files are renamed together at the end, so
 * that no partial sequence is left behind.
 */
export class SequenceWriter implements FrameWriter {
  #files: AtomicFile[] = [];

  constructor(readonly pattern: string, readonly metadata?: Metadata) {}

  async write(frame: RgbFrame): Promise<void> {
    const file = await createOutput(numberedName(this.pattern, this.#files.length));
    this.#files.push(file);
    await file.write(encodePng(frame, this.metadata));
    await file.release();
  }

  async close(): Promise<WrittenFile> {
    const bytes = this.#files.reduce((sum, file) => sum + file.size, 0);
    for (const file of this.#files) await file.commit();
    return { path: this.pattern, frames: this.#files.length, bytes };
  }

  async abort(): Promise<void> {
    for (const file of this.#files) await file.discard();
  }
}
