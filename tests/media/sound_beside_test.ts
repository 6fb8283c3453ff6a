import assert from "node:assert/strict";
import { join } from "node:path";
import { readClip } from "../../media/clip.ts";
import { openVideo } from "../../media/video_reader.ts";
import { Picks } from "../../media/picks.ts";
import { ffmpeg, HAS_FFMPEG, probe } from "./support/ffmpeg.ts";
import { inFolder } from "../support/folder.ts";

const picture = (options: string) => ["-f", "lavfi", "-i", `testsrc=s=32x32:r=10:${options}`];
const sound = (options: string) => ["-f", "lavfi", "-i", `sine=r=8000:${options}`];

/** Inputs and filters for ffmpeg, and the number of frames in its output. */
const KINDS: [what: string, args: string[], frames: number][] = [
  ["sound that outlasts the picture", [...picture("d=1"), ...sound("d=4")], 10],
  ["sound that outlasts one frame", [...picture("d=0.1"), ...sound("d=2")], 1],
  ["sound that ends early", [...picture("d=2"), ...sound("d=0.5")], 20],
  ["sound that starts earlier", ["-itsoffset", "1.5", ...picture("d=1"), ...sound("d=3")], 10],
  ["sound that starts later", [...picture("d=1"), "-itsoffset", "1", ...sound("d=1")], 10],
  ["sound that starts when the picture has ended", [
    ...[...picture("d=1"), "-itsoffset", "2", ...sound("d=1")],
  ], 10],
  ["no picture for a while", [
    ...[...picture("d=2"), ...sound("d=5"), "-vf", "setpts=PTS+gt(N\\,9)*3/TB"],
  ], 20],
  ["one picture for a long time", [
    ...[...picture("d=1"), ...sound("d=6"), "-vf", "setpts=PTS+gt(N\\,8)*5/TB"],
  ], 10],
  ["two sounds", [
    ...[...picture("d=1"), ...sound("d=2"), ...sound("d=3"), "-map", "0", "-map", "1", "-map", "2"],
  ], 10],
];
const CONTAINERS: [extension: string, codecs: string[]][] = [
  ["mkv", ["-c:v", "libx264", "-bf", "2", "-c:a", "pcm_s16le"]],
  ["webm", ["-c:v", "libvpx", "-c:a", "libvorbis", "-ar", "44100", "-ac", "2"]],
  ["mp4", ["-c:v", "libx264", "-bf", "2", "-c:a", "aac"]],
];

for (const [extension, codecs] of CONTAINERS) {
  Deno.test(`readClip() calls no .${extension} cut off for the sound in it`, {
    ignore: !HAS_FFMPEG,
  }, () =>
    inFolder(async (folder) => {
      const path = join(folder, `a.${extension}`);
      for (const [what, args, frames] of KINDS) {
        const output = [...codecs, "-pix_fmt", "yuv420p", "-vsync", "passthrough"];
        await ffmpeg(["-v", "error", "-y", ...args, ...output, path]);
        assert.equal((await probe(path)).times.length, frames, what);
        const clip = await readClip(path);
        assert.deepEqual(clip.warnings, [], what);
        assert.equal(clip.frames.length, frames, what);
        assert.equal(clip.video?.frames, frames, what);
      }
    }));

  Deno.test(`readClip() notices that a .${extension} with sound is cut off`, {
    ignore: !HAS_FFMPEG,
  }, () =>
    inFolder(async (folder) => {
      const path = join(folder, `a.${extension}`);
      const inputs = [...picture("d=4"), ...sound("d=4")];
      const front = extension === "mp4" ? ["-movflags", "faststart"] : [];
      const output = [...codecs, ...front, "-g", "5", "-pix_fmt", "yuv420p", path];
      await ffmpeg(["-v", "error", "-y", ...inputs, ...output]);
      const { size } = await Deno.stat(path);
      for (const share of [0.8, 0.6, 0.4]) {
        await Deno.truncate(path, Math.floor(size * share));
        using video = await openVideo(path, new Picks());
        const { warnings, frames } = await readClip(path);
        assert.ok(video.isCutOff || warnings.length > 0, `${share}: ${frames.length} frames`);
        assert.ok(frames.length < 40);
      }
    }));
}
