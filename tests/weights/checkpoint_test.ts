import { deepEqual, equal, rejects, throws } from "node:assert/strict";
import { join } from "node:path";
import { MemorySource } from "../../files/byte_source.ts";
import { Checkpoint, isBatchCount } from "../../weights/checkpoint.ts";
import { openCheckpoint } from "../../weights/open_checkpoint.ts";
import type { CheckpointError } from "../../files/errors.ts";
import { SafetensorsFile } from "../../weights/safetensors.ts";
import { H, T } from "./safetensors_bytes.ts";

const SMALL = H(
  `{"block.w":${T("U8", [2], 0, 2)},"block.b":${T("U8", [1], 2, 3)},"out.w":${T("U8", [1], 3, 4)}}`,
  4,
);

async function small(): Promise<Checkpoint> {
  const bytes = SMALL.slice();
  bytes.set([1, 2, 3, 4], bytes.length - 4);
  return Checkpoint.from(await SafetensorsFile.from(new MemorySource(bytes)));
}

async function withFolder(
  files: Record<string, Uint8Array | string>,
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, content] of Object.entries(files)) {
      const path = join(folder, name);
      if (typeof content === "string") await Deno.writeTextFile(path, content);
      else await Deno.writeFile(path, content);
    }
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("Checkpoint reads tensors by name", async () => {
  const checkpoint = await small();
  deepEqual(checkpoint.names, ["block.w", "block.b", "out.w"]);
  deepEqual([...await checkpoint.read("block.w")], [1, 2]);
  deepEqual([...await checkpoint.read(checkpoint.expect("block.b", [1]))], [3]);
  deepEqual([...await checkpoint.readRange("block.w", 1, 1)], [2]);
  equal(checkpoint.info("out.w")?.bytes, 1);
  equal(checkpoint.info("w"), undefined);
  equal(checkpoint.has("block.w"), true);
});

Deno.test("Checkpoint.finish() passes when every name was expected", async () => {
  const checkpoint = await small();
  checkpoint.expect("block.w", [2]);
  checkpoint.expect("block.b", [1]);
  checkpoint.expect("out.w", [1]);
  checkpoint.finish();
});

Deno.test("Checkpoint.finish() lists missing, unexpected and mis-shaped names in one error", async () => {
  const checkpoint = await small();
  checkpoint.expect("block.w", [2, 1]);
  checkpoint.expect("block.attn.to_q.weight", [3, 3]);
  checkpoint.expect("block.b", [1]);
  throws(() => checkpoint.finish(), (error: CheckpointError) => {
    deepEqual(error.missing, ["block.attn.to_q.weight"]);
    deepEqual(error.unexpected, ["out.w"]);
    deepEqual(error.misshaped, ["block.w"]);
    equal(error.reason, "NamesAndShapes");
    equal(
      error.message,
      'Cannot load "memory": 1 missing ("block.attn.to_q.weight"), 1 unexpected ("out.w"), ' +
        '1 of another shape ("block.w" is [2], expected [2, 1])',
    );
    return true;
  });
});

Deno.test("Checkpoint.finish() may ignore names", async () => {
  const checkpoint = await small();
  checkpoint.expect("block.w", [2]);
  checkpoint.expect("out.w", [1]);
  throws(() => checkpoint.finish(), /1 unexpected \("block.b"\)/);
  checkpoint.finish((name) => name === "block.b");
  equal(isBatchCount("decoder.up_blocks.1.1.norm.num_batches_tracked"), true);
  equal(isBatchCount("decoder.num_batches"), false);
});

Deno.test("Checkpoint.read() refuses what expect() could not give", async () => {
  const checkpoint = await small();
  const wrong = checkpoint.expect("block.w", [3]);
  const absent = checkpoint.expect("nothing", [3]);
  throws(() => checkpoint.read(wrong), /"block.w" is \[2\], expected \[3\]/);
  throws(() => checkpoint.read(absent), { missing: ["nothing"] });
});

Deno.test("openCheckpoint() reads shards through their index", async () => {
  await withFolder({
    "diffusion_pytorch_model-00001-of-00002.safetensors": H(`{"a":${T("U8", [1], 0, 1)}}`, 1),
    "diffusion_pytorch_model-00002-of-00002.safetensors": H(`{"b":${T("U8", [2], 0, 2)}}`, 2),
    "diffusion_pytorch_model.safetensors.index.json": JSON.stringify({
      metadata: { total_size: 3 },
      weight_map: {
        a: "diffusion_pytorch_model-00001-of-00002.safetensors",
        b: "diffusion_pytorch_model-00002-of-00002.safetensors",
      },
    }),
  }, async (folder) => {
    const checkpoint = await openCheckpoint(folder);
    deepEqual(checkpoint.names, ["a", "b"]);
    equal((await checkpoint.read("b")).length, 2);
    checkpoint.close();
  });
});

Deno.test("openCheckpoint() names an empty folder and a missing one", async () => {
  await withFolder({}, async (folder) => {
    await rejects(openCheckpoint(folder), { reason: "NotFound", message: /neither diffusion/ });
    await rejects(openCheckpoint(join(folder, "x")), { reason: "NotFound" });
  });
});
