import assert from "node:assert/strict";
import { reportCodecs } from "../../media/codec_report.ts";

Deno.test("reportCodecs() finds that every native codec works both ways", async () => {
  const report = await reportCodecs();
  assert.equal(report.writer, "addon");
  assert.deepEqual(
    report.codecs,
    ["avc", "hevc", "vp9", "av1"].map((codec) => ({
      codec,
      problem: undefined,
    })),
  );
});

Deno.test("reportCodecs() says what is used if the addon is off", async () => {
  Deno.env.set("FAR_NO_ADDON", "1");
  try {
    const { addon, codecs, writer, ffmpeg } = await reportCodecs();
    assert.match(addon!, /disabled/);
    assert.deepEqual(codecs, []);
    assert.equal(writer, ffmpeg ? "ffmpeg" : "none");
  } finally {
    Deno.env.delete("FAR_NO_ADDON");
  }
});
