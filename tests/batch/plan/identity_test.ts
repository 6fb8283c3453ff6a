import assert from "node:assert/strict";
import { join } from "node:path";
import { Digests } from "../../../batch/plan/digest.ts";
import { jsonOf } from "../../../cli/settings.ts";
import { jobHash, parseShard, shardOf } from "../../../batch/plan/identity.ts";
import type { JobValues } from "../../../batch/plan/manifest.ts";
import { JOB_OPTIONS } from "../../../batch/plan/options.ts";
import { checkSettings } from "../../../cli/settings_file.ts";

const hash = (values: JobValues, outputs = ["a.mp4"], model = "m") =>
  jobHash(values, outputs, model, new Digests());

Deno.test("jsonOf() gives options that read back as they were", () => {
  const values: JobValues = {
    seed: 2n ** 60n,
    size: { width: 64, height: 32 },
    actions: "forward*8",
    guidance: 1.5,
    onlyGenerated: true,
    noCache: true,
    output: ["a.mp4"],
  };
  const { values: again, problems } = checkSettings(JOB_OPTIONS, jsonOf(values), "here");
  assert.deepEqual(problems, []);
  assert.deepEqual(again, values);
});

Deno.test("jobHash() changes with settings, outputs and model, and with nothing else", async () => {
  const one = await hash({ seed: 1n, steps: 4 });
  assert.match(one, /^[0-9a-f]{64}$/);
  assert.equal(one, await hash({ steps: 4, seed: 1n }));
  assert.equal(one, await hash({ steps: 4, seed: 1n, model: "elsewhere", output: ["{id}.mp4"] }));
  const others = [
    await hash({ seed: 2n, steps: 4 }),
    await hash({ seed: 1n, steps: 4 }, ["b.mp4"]),
    await hash({ seed: 1n, steps: 4 }, ["a.mp4"], "other"),
    await hash({ seed: 1n, steps: 4, quality: 90 }),
  ];
  assert.equal(new Set([one, ...others]).size, 5);
});

Deno.test("jobHash() follows the bytes of inputs, not their names", async () => {
  const folder = await Deno.makeTempDir();
  const at = (name: string) => join(folder, name);
  await Deno.writeTextFile(at("a.txt"), "left");
  await Deno.writeTextFile(at("b.txt"), "left");
  await Deno.writeTextFile(at("c.txt"), "right");
  await Deno.writeTextFile(at("d.safetensors"), "left");
  await Deno.mkdir(at("frames"));
  await Deno.writeTextFile(at("frames/0.png"), "x");
  try {
    const a = await hash({ actions: at("a.txt") });
    assert.equal(a, await hash({ actions: at("b.txt") }));
    assert.notEqual(a, await hash({ actions: at("c.txt") }));
    assert.equal(a, await hash({ actions: at("d.safetensors") }));
    const folderHash = await hash({ context: at("frames") });
    assert.equal(folderHash, await hash({ context: at("frames/%d.png") }));
    await Deno.writeTextFile(at("frames/1.png"), "y");
    assert.notEqual(folderHash, await hash({ context: at("frames") }));
    const both = await hash({ context: at("frames") });
    await Deno.mkdir(at("frames/inside"));
    if (Deno.build.os !== "windows") await Deno.symlink("inside", at("frames/linked"));
    assert.equal(await hash({ context: at("frames") }), both);
    await Deno.writeTextFile(at("100%.npz"), "left"); // a percent sign alone is not a pattern
    assert.equal(await hash({ context: at("100%.npz") }), await hash({ context: at("a.txt") }));
    await assert.rejects(hash({ context: at("none.npz") }), /"context": .*there is no such file/);
    await assert.rejects(hash({ context: "-" }), /cannot read stdin/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("Digests.model() ignores a model's place and name", async () => {
  const folder = await Deno.makeTempDir();
  const model = `${import.meta.dirname}/../../fixtures/goldens/far-uncond/`;
  const copy = async (from: string, to: string) => {
    await Deno.mkdir(to, { recursive: true });
    for (const { name, isDirectory } of Deno.readDirSync(from)) {
      if (isDirectory) await copy(join(from, name), join(to, name));
      else await Deno.copyFile(join(from, name), join(to, name));
    }
  };
  try {
    await copy(model, join(folder, "other"));
    const before = await new Digests().model(model);
    assert.equal(await new Digests().model(join(folder, "other")), before);
    await Deno.writeTextFile(join(folder, "other/far.json"), '{"description": "words"}');
    assert.equal(await new Digests().model(join(folder, "other")), before);
    await Deno.writeTextFile(join(folder, "other/far.json"), '{"defaults": {"steps": 3}}');
    assert.notEqual(await new Digests().model(join(folder, "other")), before);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("shardOf() puts every id in one shard, about as many in each", () => {
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 4000; i++) counts[shardOf(`job-${i}`, 4)]!++;
  for (const count of counts) assert.ok(count > 850 && count < 1150, String(counts));
  assert.equal(shardOf("job-1", 7), shardOf("job-1", 7));
  // other versions must split alike, or a resumed array would do jobs twice
  assert.deepEqual(["a", "b", "c"].map((id) => shardOf(id, 1000)), [250, 946, 930]);
});

Deno.test("parseShard() reads I/N and refuses anything else", () => {
  assert.deepEqual(parseShard("0/1"), { index: 0, count: 1 });
  assert.deepEqual(parseShard("15/16"), { index: 15, count: 16 });
  for (const text of ["16/16", "1", "a/b", "-1/4", "1/0", "0/0", "1/4/2"]) {
    assert.throws(() => parseShard(text), /--shard/, text);
  }
});

Deno.test("jobHash() follows a LoRA's bytes and its scale", async () => {
  const lora = join(import.meta.dirname!, "../../fixtures/weights/lora");
  const file = `${lora}/diffusers/pytorch_lora_weights.safetensors`;
  const whole = await hash({ lora: file });
  assert.equal(whole, await hash({ lora: `${file}:1` }));
  assert.equal(whole, await hash({ lora: `${lora}/diffusers` }));
  const others = [{}, { lora: `${file}:0.5` }, { lora: `${lora}/peft` }];
  for (const values of others) assert.notEqual(whole, await hash(values));
  await assert.rejects(hash({ lora: "none.safetensors" }), { name: "UsageError" });
});
