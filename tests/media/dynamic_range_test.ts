import assert from "node:assert/strict";
import { join } from "node:path";
import { Picks } from "../../media/picks.ts";
import { openVideo } from "../../media/video_reader.ts";
import { ffmpeg, HAS_FFMPEG } from "./support/ffmpeg.ts";
import { inFolder } from "../support/folder.ts";

/** Only the transfer function decides: a wide gamut is not a high dynamic range. */
const COLOURS: [primaries: string, transfer: string, matrix: string, isHdr: boolean][] = [
  ["bt709", "bt709", "bt709", false],
  ["bt2020", "bt709", "bt2020nc", false],
  ["bt2020", "bt2020-10", "bt2020nc", false],
  ["bt2020", "iec61966-2-1", "bt2020nc", false],
  ["smpte432", "iec61966-2-1", "bt709", false],
  ["bt2020", "smpte2084", "bt2020nc", true],
  ["bt2020", "arib-std-b67", "bt2020nc", true],
];
for (const extension of ["mp4", "mkv"]) {
  Deno.test(`openVideo() warns of a high dynamic range in .${extension}, and of no wide gamut`, {
    ignore: !HAS_FFMPEG,
  }, () =>
    inFolder(async (folder) => {
      const path = join(folder, `a.${extension}`);
      for (const [primaries, transfer, matrix, isHdr] of COLOURS) {
        const source = ["-f", "lavfi", "-i", "testsrc=s=32x32:r=10:d=0.1"];
        const codec = ["-c:v", "libx264", "-pix_fmt", "yuv420p"];
        const tags = ["-color_primaries", primaries, "-color_trc", transfer, "-colorspace", matrix];
        await ffmpeg(["-v", "error", "-y", ...source, ...codec, ...tags, path]);
        using video = await openVideo(path, new Picks());
        assert.equal(/high dynamic range/.test(video.warnings.join()), isHdr, transfer);
      }
    }));
}
