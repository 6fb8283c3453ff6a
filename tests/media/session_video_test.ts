import assert from "node:assert/strict";
import { SessionVideo } from "../../media/session_video.ts";
import { decodeWithFfmpeg, difference, HAS_FFMPEG, movingBar, probe } from "./support/ffmpeg.ts";

const judged = { ignore: !HAS_FFMPEG };
const SIZE = { width: 64, height: 48 };

Deno.test("SessionVideo saves all frames, again and again, in one MP4", judged, async () => {
  const frames = movingBar(SIZE.width, SIZE.height, 25);
  const video = new SessionVideo({ ...SIZE, fps: 8, segmentFrames: 10 });
  for (const frame of frames.slice(0, 13)) await video.append(frame);
  const early = await video.save();
  for (const frame of frames.slice(13)) await video.append(frame);
  const whole = await video.save({ comment: "far play", "far.actions": "forward*25" });
  video.close();
  assert.equal((await decodeWithFfmpeg(early, SIZE)).length, 13);
  const decoded = await decodeWithFfmpeg(whole, SIZE);
  assert.equal(decoded.length, 25);
  // the bar moves by 2 pixels per frame, so frames in a wrong order are far off
  frames.forEach((frame, k) => assert.ok(difference(frame, decoded[k]!).mean < 4, `frame ${k}`));
  const { stream, tags, times } = await probe(whole);
  assert.deepEqual(times, Array.from({ length: 25 }, (_, k) => k / 8));
  assert.equal(stream.color_space, "bt709");
  assert.equal(tags.comment, "far play");
  assert.equal(tags["far.actions"], "forward*25");
});

Deno.test("SessionVideo drops the oldest frames where it would grow too large", async () => {
  const video = new SessionVideo({ ...SIZE, fps: 8, segmentFrames: 5, mostBytes: 1 });
  for (const frame of movingBar(SIZE.width, SIZE.height, 13)) await video.append(frame);
  await video.save();
  video.close();
  assert.equal(video.dropped, 10);
});

Deno.test(
  "SessionVideo saves finished frames while another is being compressed",
  judged,
  async () => {
    const frames = movingBar(SIZE.width, SIZE.height, 3);
    const video = new SessionVideo({ ...SIZE, fps: 8 });
    const appended = frames.map((frame) => video.append(frame));
    const saved = await video.save();
    await Promise.all(appended);
    video.close();
    assert.equal((await decodeWithFfmpeg(saved, SIZE)).length, 3);
  },
);

Deno.test("SessionVideo refuses to save nothing", async () => {
  const video = new SessionVideo({ ...SIZE, fps: 8 });
  await assert.rejects(video.save(), { name: "MediaError", message: /no frames/ });
  video.close();
});
