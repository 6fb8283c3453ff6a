import { CustomSource } from "mediabunny";
import { MediaError } from "./errors.ts";

const PAGE = 2 ** 16;
const PAGES_KEPT = 128;
/** Nobody who gets on reads the same bytes so often in a row. */
const MOST_REPEATS = 1000;

/**
 * A file as a source for the demuxer, which is kept from caching so that every read passes here.
 * Mediabunny 1.61 looks for the next element of a damaged Matroska file without an end (`resync`,
 * when 8 bytes are left), in a loop that no timer interrupts; the reads give it away.
 *
 * @throws {MediaError} from reads, when the file cannot be read or the demuxer runs in circles
 */
export function guardedSource(path: string): CustomSource {
  let file: Deno.FsFile | undefined = Deno.openSync(path);
  const { size } = file.statSync();
  const pages = new Map<number, Uint8Array>();
  let last = "";
  let repeats = 0;

  const page = (index: number): Uint8Array => {
    let bytes = pages.get(index);
    if (!bytes) {
      bytes = readAt(file!, index * PAGE, Math.min(PAGE, size - index * PAGE));
      if (pages.size >= PAGES_KEPT) pages.delete(pages.keys().next().value!);
      pages.set(index, bytes);
    }
    return bytes;
  };
  const read = (start: number, end: number): Uint8Array => {
    const range = `${start}-${end}`;
    repeats = range === last ? repeats + 1 : 0;
    last = range;
    if (repeats > MOST_REPEATS) throw new MediaError("it is damaged");
    const out = new Uint8Array(end - start);
    for (let at = start; at < end;) {
      const index = Math.floor(at / PAGE);
      const part = page(index).subarray(at - index * PAGE, end - index * PAGE);
      out.set(part, at - start);
      at += part.length;
    }
    return out;
  };
  const dispose = () => {
    file?.close();
    file = undefined;
  };
  return new CustomSource({ getSize: () => size, read, dispose, maxCacheSize: 0 });
}

function readAt(file: Deno.FsFile, position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  file.seekSync(position, Deno.SeekMode.Start);
  for (let done = 0; done < length;) {
    const count = file.readSync(bytes.subarray(done));
    if (!count) throw new MediaError("it became shorter while it was read");
    done += count;
  }
  return bytes;
}
