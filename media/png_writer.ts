import type { AtomicFile } from "../files/atomic_file.ts";
import { encode as encodePngImage } from "fast-png";
import type { ByteSink } from "./byte_sink.ts";
import { contactSheet, type SheetLabels } from "./contact_sheet.ts";
import type { FrameFormat, OutputSink } from "./frame_writer.ts";
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
export class SheetWriter implements FrameFormat {
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

  async finish(): Promise<void> {
    const labels = this.#frames.length > 1 ? this.labels : undefined; // one alone stays as it is
    await this.sink.write(encodePng(contactSheet(this.#frames, labels), this.metadata));
  }
}

/**
 * Writes each frame to its own file, numbered from 0. All files are renamed together at the end, so
 * that no partial sequence is left behind.
 */
export class SequenceWriter implements FrameFormat, OutputSink {
  #files: AtomicFile[] = [];

  /** @param path a pattern */
  constructor(readonly path: string, readonly metadata?: Metadata) {}

  get size(): number {
    return this.#files.reduce((sum, file) => sum + file.size, 0);
  }

  async write(frame: RgbFrame): Promise<void> {
    const file = await createOutput(numberedName(this.path, this.#files.length));
    this.#files.push(file);
    await file.write(encodePng(frame, this.metadata));
    await file.release();
  }

  async commit(): Promise<void> {
    for (const file of this.#files) await file.commit();
  }

  async discard(): Promise<void> {
    for (const file of this.#files) await file.discard();
  }
}
