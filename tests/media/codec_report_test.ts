import assert from "node:assert/strict";
import { reportCodecs } from "../../media/codec_report.ts";
import { withoutAddon } from "../support/environment.ts";

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
  const { addon, codecs, writer, ffmpeg } = await withoutAddon(reportCodecs);
  assert.match(addon!, /disabled/);
  assert.deepEqual(codecs, []);
  assert.equal(writer, ffmpeg ? "ffmpeg" : "none");
});
