import { join } from "node:path";
import { isFile } from "../../files/file_source.ts";
import { writeWhole } from "../../files/atomic_file.ts";
import { writeAll } from "../../files/byte_sink.ts";
import { unwritable } from "../../files/folders.ts";
import { isObject, type JsonObject } from "../../files/json.ts";

/** A line of log.jsonl: a step, or an event with the field `event`. */
export type LogLine = JsonObject;

/**
 * log.jsonl of a run: one line per step (`step loss grad_norm lr seconds`, with a discriminator also
 * `g_loss d_loss`), others with `event`.
 */
export class TrainLog {
  readonly lines: LogLine[];
  readonly #path: string;
  readonly #file: Deno.FsFile;

  private constructor(path: string, lines: LogLine[], file: Deno.FsFile) {
    this.#path = path;
    this.lines = lines;
    this.#file = file;
  }

  /** Continues after `step`; lines of later steps, which will run again, are dropped. */
  static async open(folder: string, step: number): Promise<TrainLog> {
    const path = join(folder, "log.jsonl");
    const lines = (await readLines(path)).filter((line) =>
      typeof line.step === "number" && line.step <= step
    );
    await writeWhole(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    return new TrainLog(path, lines, await Deno.open(path, { append: true }));
  }

  /** Appends a line. @throws {CheckpointError} the disk is full or fails */
  async add(line: LogLine): Promise<void> {
    this.lines.push(line);
    const bytes = new TextEncoder().encode(`${JSON.stringify(line)}\n`);
    try {
      await writeAll(this.#file, bytes);
    } catch (cause) {
      throw unwritable(this.#path, cause);
    }
  }

  close(): void {
    this.#file.close();
  }
}

/** Complete lines, without a cut-off last one. */
async function readLines(path: string): Promise<LogLine[]> {
  if (!await isFile(path)) return [];
  return (await Deno.readTextFile(path)).split("\n").flatMap((line) => {
    try {
      const value: unknown = JSON.parse(line);
      return isObject(value) ? [value] : [];
    } catch {
      return [];
    }
  });
}
