/**
 * Reads containers of strangers in a thread of its own, which `Demuxer` can end. Answers one
 * request at a time.
 */
import { explain, type Packet, VideoFile, type VideoIndex } from "./demux.ts";
import { UnsupportedMediaError } from "./errors.ts";

/** A request to the worker. */
export type DemuxRequest =
  | { readonly read: "index"; readonly path: string; readonly progress: Int32Array }
  | { readonly read: "packets"; readonly from: number | undefined };

/** An answer of the worker. */
export type DemuxAnswer =
  | { readonly index: VideoIndex }
  | { readonly packets: readonly Packet[]; readonly isLast: boolean; readonly damage?: string }
  | { readonly error: string; readonly isUnsupported: boolean };

/** Compressed pictures per answer. */
const BATCH = 16;

let file: VideoFile | undefined;
let packets: AsyncGenerator<Packet> | undefined;

async function answer(request: DemuxRequest): Promise<DemuxAnswer> {
  if (request.read === "packets") return await nextPackets(request.from);
  const { path, progress } = request;
  try {
    file = new VideoFile(path, () => Atomics.add(progress, 0, 1));
    return { index: await file.readIndex() };
  } catch (error) {
    return { error: explain(error), isUnsupported: error instanceof UnsupportedMediaError };
  }
}

async function nextPackets(from: number | undefined): Promise<DemuxAnswer> {
  const batch: Packet[] = [];
  try {
    packets ??= file!.packets(from);
    while (batch.length < BATCH) {
      const { value, done } = await packets.next();
      if (done) return { packets: batch, isLast: true };
      batch.push(value);
    }
    return { packets: batch, isLast: false };
  } catch (error) {
    return { packets: batch, isLast: true, damage: explain(error) };
  }
}

const worker = globalThis as unknown as {
  onmessage: (event: MessageEvent<DemuxRequest>) => void;
  postMessage(answer: DemuxAnswer): void;
};
worker.onmessage = async ({ data }) => worker.postMessage(await answer(data));
