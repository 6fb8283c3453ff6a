import assert from "node:assert/strict";
import { evaluationPage } from "../../../commands/evaluate/report.ts";
import { summarise } from "../../../commands/evaluate/summary.ts";
import { evaluationJson, framesCsv, markdownTable } from "../../../commands/evaluate/tables.ts";
import { testPicture } from "../../metrics/test_picture.ts";
import { evaluation, measures, RESULTS } from "./evaluation_fixture.ts";

const TESTED = {
  protocol: { ...evaluation().protocol, returns: 6, agreement: 2 },
  returns: [{
    action: 0,
    inverse: 1,
    trips: 2,
    back: measures(20),
    out: measures(10),
    ceiling: measures(30),
  }],
  agreement: { moves: 4, agreed: 3, table: [[2, 0, 0], [0, 1, 1], [0, 0, 0]] },
};

Deno.test("markdownTable() has the paper's form, the published row below", () => {
  const lines = markdownTable(evaluation()).split("\n");
  assert.match(lines[0]!, /^\| model \| data \| frames \| steps \| guidance \| PSNR \| SSIM/);
  assert.match(lines[2]!, /\| 2 -> 2 \| 8 \| 1 \| 21\.00 ± 1\.41 \| 0\.210/);
  assert.match(lines[3]!, /published \| DMLab \|.*\| 22\.30 \| {2}\| 0\.687 \|/);
  assert.match(lines[5]!, /2 clips, seeds 0,2; MS-SSIM over 3 scales/);
});

Deno.test("markdownTable() adds the tests that were asked for", () => {
  const text = markdownTable(evaluation(TESTED));
  assert.match(text, /\| left x 6, right x 6 \| 2 \| 20\.00 \| 10\.00 \| 30\.00 \|/);
  assert.match(text, /Of 4 moves .* nearest 3 times \(75\.0 %\)/);
  assert.match(text, /\| right \| 0 \| 1 \| 1 \|/);
});

Deno.test("framesCsv() has a row for each frame, with names that need it in quotes", () => {
  const [first] = RESULTS;
  const odd = [{
    ...first!,
    path: 'a "b", c.npz',
    frames: [measures(20), { ...measures(1), psnr: Infinity }],
  }];
  const lines = framesCsv(evaluation({ results: odd })).split("\n");
  assert.equal(lines[0], "clip,path,seed,frame,psnr,ssim,ssim_gaussian,ms_ssim,mse");
  assert.match(lines[1]!, /^0-a,"a ""b"", c\.npz",0,2,20,0\.2,/);
  assert.match(lines[2]!, /,3,inf,/);
  assert.equal(lines.length, 4);
});

Deno.test("evaluationJson() is plain JSON with all there is", () => {
  const json = JSON.parse(JSON.stringify(evaluationJson(evaluation(TESTED))));
  assert.equal(json.overall.psnr.mean, 21);
  assert.equal(json.framesPerSecond, 2);
  assert.equal(json.clips.length, 4);
  assert.deepEqual(json.agreement.actions, ["left", "right", "stay"]);
  assert.equal(json.returns[0].action, "left");
});

Deno.test("evaluationPage() is one page, with everything and nothing from elsewhere", () => {
  const frames = 4;
  const pictures = (seed: number) => ({
    frames,
    width: 16,
    height: 12,
    data: Float32Array.from({ length: frames }, (_, i) => i).reduce((all, i) => {
      all.set(testPicture(16, 12, seed + i), i * 576);
      return all;
    }, new Float32Array(frames * 576)),
  });
  const shown = { result: RESULTS[0]!, why: "best", truth: pictures(1), made: pictures(5) };
  const page = evaluationPage(evaluation(TESTED), [shown]);
  assert.match(page, /<title>Evaluation of maze &lt;world&gt;<\/title>/);
  assert.equal(page.match(/<svg/g)!.length, 5);
  assert.match(page, /published, mean of all frames/);
  assert.match(page, /data:image\/png;base64,/);
  assert.match(page, /max="3"/);
  assert.match(page, /far evaluate maze clips/);
  assert.match(page, /left x 6, right x 6/);
  assert.doesNotMatch(
    page,
    /(src|href)="(?!data:)|url\((?!data:)|@import|https?:\/\/(?!www\.w3\.org)/,
  );
});

Deno.test("LPIPS stands in every output where it was measured", () => {
  const results = RESULTS.map((one) => ({
    ...one,
    mean: { ...one.mean, lpips: 0.25 },
    frames: one.frames.map((frame) => ({ ...frame, lpips: 0.25 })),
  }));
  const measured = evaluation({ results, summary: summarise(results, 2) });
  const [head, , own, published] = markdownTable(measured).split("\n");
  assert.match(head!, /\| MSE \| LPIPS \|$/);
  assert.match(own!, /\| 0\.250 ± 0\.000 \|$/);
  assert.match(published!, /\| 0\.104 \|$/);
  assert.match(framesCsv(measured), /^clip,.*,mse,lpips\n.*,0\.25\n/);
  assert.equal(evaluationJson(measured).overall.lpips!.mean, 0.25);
  assert.match(evaluationPage(measured, []), /LPIPS by frame/);
  const without = evaluationPage(evaluation(), []);
  assert.doesNotMatch(without, /LPIPS by frame/);
  assert.match(without, /<td>not measured<\/td><td>not measured<\/td>/);
});
