// Streams frames to stdout: stream.ts FORMAT COUNT. Ends quietly when nobody reads any more.
import { ClosedPipeError } from "../../../media/errors.ts";
import { openFrameWriter, type OutputFormat } from "../../../media/video_writer.ts";
import { movingBar } from "./ffmpeg.ts";

const [format, count] = Deno.args;
try {
  const writer = await openFrameWriter("-", {
    width: 24,
    height: 18,
    fps: 8,
    format: format as OutputFormat,
    metadata: { "far.settings": '{"seed":1}' },
  });
  const frames = movingBar(24, 18, 20);
  for (let k = 0; k < Number(count); k++) await writer.write(frames[k % 20]!);
  await writer.close();
} catch (error) {
  if (error instanceof ClosedPipeError) {
    console.error("closed pipe");
    Deno.exit(0);
  }
  console.error(error instanceof Error ? error.message : error);
  Deno.exit(1);
}
