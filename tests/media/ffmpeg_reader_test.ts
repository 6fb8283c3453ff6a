import assert from "node:assert/strict";
import { join } from "node:path";
import { readClip } from "../../media/clip.ts";
import { HAS_FFMPEG } from "./support/ffmpeg.ts";
import { inFolder } from "../support/folder.ts";

async function ffmpeg(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("ffmpeg", {
    args: ["-v", "error", ...args],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

const PLAYLISTS: Readonly<Record<string, (secret: string) => string>> = {
  "HLS": (secret) =>
    `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://${secret}\n#EXT-X-ENDLIST\n`,
  "ffconcat": (secret) => `ffconcat version 1.0\nfile ${secret}\n`,
  "ffconcat by url": (secret) => `ffconcat version 1.0\nfile file:${secret}\n`,
  "SDP": () => "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
  "DASH": (secret) =>
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">' +
    '<Period><AdaptationSet contentType="video" mimeType="video/mp4"><Representation id="0">' +
    `<BaseURL>file://${secret}</BaseURL></Representation></AdaptationSet></Period></MPD>`,
};
for (const [name, text] of Object.entries(PLAYLISTS)) {
  Deno.test(`readClip() opens no other file for a playlist of ${name}`, {
    ignore: !HAS_FFMPEG,
  }, () =>
    inFolder(async (folder) => {
      const secret = join(folder, "secret.ts");
      await ffmpeg("-f", "lavfi", "-i", "testsrc=s=32x32:d=1:r=5", "-c:v", "mpeg2video", secret);
      for (const extension of ["mp4", "m3u8", "mpd", "txt"]) {
        const path = join(folder, `a.${extension}`);
        await Deno.writeTextFile(path, text(secret));
        await assert.rejects(readClip(path), { name: /MediaError$/ }, extension);
      }
    }));
}

Deno.test("readClip() reads what ffmpeg's containers hold, with rate and codec", {
  ignore: !HAS_FFMPEG,
}, () =>
  inFolder(async (folder) => {
    // As ffprobe gives them: r_frame_rate and codec_name.
    for (
      const [name, codec, fps] of [
        ["a.ts", "mpeg2video", 25],
        ["b.ts", "libx264", 10],
        ["c.avi", "mpeg4", 10],
        ["d.flv", "flv1", 10],
      ] as const
    ) {
      const path = join(folder, name);
      const source = `testsrc=s=32x32:d=1:r=${fps}`;
      await ffmpeg("-f", "lavfi", "-i", source, "-c:v", codec, "-pix_fmt", "yuv420p", path);
      const clip = await readClip(path);
      assert.equal(clip.frames.length, fps, name);
      assert.equal(clip.fps, fps, name);
      assert.equal(clip.video?.codec, codec === "libx264" ? "h264" : codec);
    }
  }));

Deno.test("readClip() reads a JPEG through ffmpeg with any name", {
  ignore: !HAS_FFMPEG,
}, () =>
  inFolder(async (folder) => {
    for (const name of ["a%d.jpg", "%03d.jpg", "b%%.jpg", "c[1]*?.jpg"]) {
      const path = join(folder, name);
      const made = join(folder, "made.jpg");
      const source = "testsrc=s=32x32:d=1:r=1";
      await ffmpeg("-y", "-f", "lavfi", "-i", source, "-pix_fmt", "yuvj444p", made);
      await Deno.rename(made, path);
      const { width, height, frames } = await readClip(path);
      assert.deepEqual([width, height, frames.length], [32, 32, 1], name);
    }
  }));
