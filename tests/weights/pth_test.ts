import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { MemorySource } from "../../files/byte_source.ts";
import { CheckpointError } from "../../files/errors.ts";
import { bf16ToF32, f32ToBf16 } from "../../weights/floats.ts";
import { PthFile } from "../../weights/pth.ts";
import { readFloats, SafetensorsFile } from "../../weights/safetensors.ts";
import type { StateDictChoice } from "../../weights/state_dict.ts";
import {
  bytes,
  call,
  dict,
  global,
  int,
  legacy,
  pickle,
  pth,
  tensor,
  text,
  tuple,
  zip,
} from "./torch_bytes.ts";

const GOLDENS = `${import.meta.dirname}/../fixtures/goldens/`;
const CHECKPOINTS = `${GOLDENS}checkpoints/`;

const open = (data: Uint8Array, choice?: StateDictChoice) =>
  PthFile.from(new MemorySource(data, "x.pth"), choice);
const one = (...parts: Parameters<typeof tensor>) => pickle(dict(text("w"), tensor(...parts)));

for (const name of ["odd", "odd-legacy"]) {
  Deno.test(`PthFile reads ${name}.pth: views, strides, shared storages, every dtype`, async () => {
    const file = await PthFile.open(`${CHECKPOINTS}${name}.pth`);
    const judge = await SafetensorsFile.open(`${CHECKPOINTS}odd.safetensors`);
    deepEqual([...file.tensors.keys()].sort(), [...judge.tensors.keys()].sort());
    for (const expected of judge.tensors.values()) {
      const info = file.tensors.get(expected.name)!;
      equal(info.dtype, expected.dtype, expected.name);
      deepEqual(info.shape, expected.shape, expected.name);
      deepEqual(await file.read(info), await judge.read(expected), expected.name);
      for (const [start, length] of [[0, 1], [1, 5], [info.bytes - 2, 2]] as const) {
        if (start < 0 || start + length > info.bytes) continue;
        deepEqual(
          await file.readRange(info, start, length),
          await judge.readRange(expected, start, length),
        );
      }
    }
    equal(file.format, name === "odd" ? "zip" : "legacy");
    file.close();
    judge.close();
  });
}

Deno.test("PthFile reads far-uncond.pth equal to the model folder", async () => {
  const file = await PthFile.open(`${CHECKPOINTS}far-uncond.pth`);
  const weights = `${GOLDENS}far-uncond/transformer/diffusion_pytorch_model.safetensors`;
  const judge = await SafetensorsFile.open(weights);
  equal(file.tensors.size, judge.tensors.size);
  for (const expected of judge.tensors.values()) {
    deepEqual(await file.read(file.tensors.get(expected.name)!), await judge.read(expected));
  }
  file.close();
  judge.close();
});

Deno.test("PthFile reads vae-bf16.pth equal to the autoencoder rounded to bfloat16", async () => {
  const file = await PthFile.open(`${CHECKPOINTS}vae-bf16.pth`);
  const weights = `${GOLDENS}far-uncond/vae/diffusion_pytorch_model.safetensors`;
  const judge = await SafetensorsFile.open(weights);
  for (const { name, dtype } of file.tensors.values()) {
    equal(dtype, "BF16");
    const expected = (await readFloats(judge, name)).map((v) => bf16ToF32(f32ToBf16(v)));
    deepEqual(await readFloats(file, name), expected);
  }
  equal(file.tensors.size, 68);
  file.close();
  judge.close();
});

Deno.test("PthFile reads nested.pth: a parameter below state_dict, next to an epoch", async () => {
  const file = await PthFile.open(`${CHECKPOINTS}nested.pth`);
  equal(file.stateDict, "state_dict");
  deepEqual([...file.tensors.keys()], ["w"]);
  equal((await readFloats(file, "w")).length, 4);
  file.close();
});

Deno.test("PthFile refuses evil-raw.pth and runs nothing", async () => {
  const opening = PthFile.open(`${CHECKPOINTS}evil-raw.pth`);
  await rejects(opening, { name: "CheckpointError", message: /protocol 4/ });
  for (const place of ["PWNED", `${CHECKPOINTS}PWNED`]) await rejects(Deno.stat(place));
});

Deno.test("PthFile marks what evil-reduce.pth would run, and runs nothing", async () => {
  const file = await PthFile.open(`${CHECKPOINTS}evil-reduce.pth`);
  ok([...file.unread.values()].some((why) => /"posix\.system".*which was not run/.test(why)));
  file.close();
  for (const place of ["PWNED", `${CHECKPOINTS}PWNED`]) await rejects(Deno.stat(place));
});

Deno.test("PthFile refuses every prefix of a zip and of a legacy checkpoint", async () => {
  for (const whole of [pth(one()), legacy(one({ legacy: true }))]) {
    for (let length = 0; length < whole.length; length++) {
      await rejects(open(whole.slice(0, length)), CheckpointError, `${length} bytes`);
    }
    await open(whole);
  }
});

const HUGE = 2n ** 62n;
const SHAPES: [what: string, parts: Parameters<typeof tensor>[0]][] = [
  ["more values than the record", { elements: 3 }],
  ["fewer values than the record", { elements: 1, shape: [1] }],
  ["2^62 values", { elements: HUGE }],
  ["a negative number of values", { elements: -1 }],
  ["a size beyond its storage", { shape: [3] }],
  ["an offset beyond its storage", { offset: 1 }],
  ["an offset of 2^62", { offset: HUGE }],
  ["a negative offset", { offset: -1 }],
  ["a stride beyond its storage", { strides: [2] }],
  ["a negative stride", { strides: [-1], offset: 1 }],
  ["a negative size", { shape: [-1] }],
  ["a size of 2^62", { shape: [HUGE] }],
  ["sizes whose product wraps", {
    shape: [2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1],
    strides: [0, 0, 0],
  }],
  ["a stride of 0 that makes gigabytes", { shape: [10 ** 9], strides: [0] }],
  ["overlapping windows larger than the storage", { shape: [2, 2], strides: [0, 1] }],
  ["more strides than sizes", { strides: [1, 1] }],
  ["65 axes", { shape: Array(65).fill(1), strides: Array(65).fill(1) }],
  ["an empty view whose other sizes multiply to infinity, beyond its storage", {
    shape: [...Array(40).fill(2n ** 40n), 0],
    strides: Array(41).fill(1),
    offset: 3,
  }],
  ["an empty view beyond its storage", { shape: [0], offset: 3 }],
  ["another type of another size", { type: "DoubleStorage" }],
  ["a storage that isn't there", { key: "1" }],
  ["a storage key that climbs", { key: "../../../etc/passwd" }],
];
for (const [what, parts] of SHAPES) {
  Deno.test(`PthFile refuses a tensor with ${what}`, async () => {
    await rejects(open(pth(one(parts))), { reason: "BadStorage" });
  });
}

Deno.test("PthFile refuses storages described in other ways", async () => {
  const w = (id: Uint8Array) =>
    pth(pickle(dict(
      text("w"),
      call(
        global("torch._utils", "_rebuild_tensor_v2"),
        bytes(id, "Q"),
        int(0),
        tuple(int(2)),
        tuple(int(1)),
        bytes(0x89),
        bytes("}"),
      ),
    )));
  const float = global("torch", "FloatStorage");
  const good = [text("storage"), float, text("0"), text("cpu"), int(2)];
  await open(w(tuple(...good)));
  for (
    const id of [
      tuple(),
      text("storage"),
      tuple(...good.slice(0, 4)),
      tuple(...good, bytes("N")),
      tuple(text("module"), ...good.slice(1)),
      tuple(good[0]!, text("FloatStorage"), ...good.slice(2)),
      tuple(good[0]!, global("torch", "Size"), ...good.slice(2)),
      tuple(good[0]!, float, int(0), text("cpu"), int(2)),
      tuple(good[0]!, float, text("0"), bytes("N"), int(2)),
      tuple(good[0]!, float, text("0"), text("cpu"), text("2")),
    ]
  ) await rejects(open(w(id)), { reason: "BadStorage" });
});

Deno.test("PthFile refuses one storage described in two ways", async () => {
  const two = (other: Parameters<typeof tensor>[0]) =>
    open(pth(pickle(dict(text("a"), tensor(), text("b"), tensor(other)))));
  await two({});
  await rejects(two({ type: "HalfStorage", elements: 4 }), { reason: "BadStorage" });
  await rejects(two({ elements: 1, shape: [1] }), { reason: "BadStorage" });
});

Deno.test("PthFile refuses thousands of names on one storage", async () => {
  const items = Array.from({ length: 5000 }, (_, i) => [text(`w${i}`), tensor()]).flat();
  await rejects(open(pth(pickle(dict(...items)))), { reason: "BadStorage", message: /views/ });
});

Deno.test("PthFile refuses a damaged storage when it is read, and only then", async () => {
  const damaged = pth(one(), { 0: bytes("abcdefgh") });
  damaged[damaged.findIndex((_, i) => damaged[i] === 0x61 && damaged[i + 1] === 0x62)]! ^= 1;
  const file = await open(damaged);
  const w = file.tensors.get("w")!;
  for (let i = 0; i < 2; i++) await rejects(file.readRange(w, 4, 4), { message: /checksum/ });
});

const FILES: [what: string, data: Uint8Array, message: RegExp][] = [
  ["an empty file", bytes(), /empty, not a PyTorch checkpoint/],
  ["text", bytes("hello"), /text \("hello"\), not a PyTorch checkpoint/],
  ["a web page", bytes("<!DOCTYPE html><html>"), /web page/],
  ["a git-lfs pointer", bytes("version https://git-lfs.github.com/spec/v1\n"), /git lfs pull/],
  [
    "a tar file",
    bytes("sys_info", new Uint8Array(249), "ustar", new Uint8Array(250)),
    /before 0\.4/,
  ],
  ["a pickle of something else", pickle(int(1)), /not a PyTorch checkpoint/],
  ["a zip without data.pkl", zip([{ name: "a/b", data: bytes() }]), /without the one data.pkl/],
  [
    "two roots",
    zip([{ name: "a/data.pkl", data: one() }, { name: "b/data.pkl", data: one() }]),
    /without the one data.pkl/,
  ],
  [
    "a file beside the root",
    zip([{ name: "a/data.pkl", data: one() }, { name: "b/x", data: bytes() }]),
    /besides "a"/,
  ],
  [
    "TorchScript",
    zip([{ name: "a/data.pkl", data: one() }, { name: "a/constants.pkl", data: bytes() }]),
    /TorchScript/,
  ],
  [
    "TorchScript code",
    zip([{ name: "a/data.pkl", data: one() }, { name: "a/code/m.py", data: bytes() }]),
    /TorchScript/,
  ],
  [
    "TorchScript as PyTorch writes it, its code compressed",
    zip([{ name: "a/data.pkl", data: one() }, { name: "a/code/m.py", data: bytes(), method: 8 }]),
    /code\/m.py" is compressed.*TorchScript.*save the model's state_dict/,
  ],
  [
    "big-endian values",
    zip([{ name: "a/data.pkl", data: one() }, { name: "a/byteorder", data: bytes("big") }]),
    /"big"/,
  ],
  [
    "a later version",
    zip([{ name: "a/data.pkl", data: one() }, { name: "a/version", data: bytes("11\n") }]),
    /"11/,
  ],
  ["something after the pickle", pth(bytes(one(), "x")), /follows its pickle/],
  ["a list", pth(pickle("]")), /no named tensors/],
  ["a bare tensor", pth(pickle(tensor())), /no named tensors/],
  ["a legacy file of big-endian values", legacy(one({ legacy: true }), [], false), /big-endian/],
  ["a legacy file without its storage", legacy(one({ legacy: true }), []), /list of storages/],
  [
    "a legacy file with a storage too many",
    legacy(one({ legacy: true }), [["0", 2, new Uint8Array(8)], ["1", 2, new Uint8Array(8)]]),
    /list of storages/,
  ],
  [
    "a legacy file with a storage twice",
    legacy(one({ legacy: true }), [["0", 2, new Uint8Array(8)], ["0", 2, new Uint8Array(8)]]),
    /list of storages/,
  ],
  [
    "a legacy storage of another length",
    legacy(one({ legacy: true }), [["0", 3, new Uint8Array(12)]]),
    /has 3/,
  ],
  [
    "a legacy file with a tail",
    bytes(legacy(one({ legacy: true })), "x"),
    /storages end at byte/,
  ],
];
for (const [what, data, message] of FILES) {
  Deno.test(`PthFile refuses ${what}`, async () => {
    await rejects(open(data), { name: "CheckpointError", message, file: "x.pth" });
  });
}

/** A checkpoint of nested dicts; a leaf is a storage of two floats that hold its number. */
type Tree = { [key: string]: number | Tree };
function checkpoint(tree: Tree): Uint8Array {
  const storages: Record<string, Uint8Array> = {};
  const build = (node: Tree): Uint8Array =>
    dict(
      ...Object.entries(node).flatMap(([key, item]) => {
        if (typeof item !== "number") return [text(key), build(item)];
        storages[item] = new Uint8Array(new Float32Array([item, item]).buffer);
        return [text(key), tensor({ key: String(item) })];
      }),
    );
  return pth(pickle(build(tree)), storages);
}

async function contents(file: PthFile): Promise<Record<string, number>> {
  const values: Record<string, number> = {};
  for (const name of file.tensors.keys()) values[name] = (await readFloats(file, name))[0]!;
  return values;
}

const CHOICES: [what: string, tree: Tree, path: string, expected: Record<string, number>][] = [
  ["the whole", { a: 1, b: 2 }, "", { a: 1, b: 2 }],
  ["state_dict", { state_dict: { a: 1 }, optimizer: { x: 2 } }, "state_dict", { a: 1 }],
  ["model.state_dict", { model: { state_dict: { a: 1 } } }, "model.state_dict", { a: 1 }],
  ["a state dict beside a generator's state", { rng: 3, model: { a: 1 } }, "model", { a: 1 }],
  ["PyTorch's AveragedModel", { n_averaged: 9, "module.a": 1 }, "", { a: 1 }],
  ["module. prefixes", { "module.a": 1, "module.b.c": 2 }, "", { a: 1, "b.c": 2 }],
  ["compiled and parallel prefixes", { "_orig_mod.module.a": 1 }, "", { a: 1 }],
  ["params_ema beside params", { params: { a: 1 }, params_ema: { a: 2 } }, "params_ema", { a: 2 }],
  ["ema beside model", { model: { a: 1 }, ema: { a: 2 }, epoch: {} }, "ema", { a: 2 }],
  ["ema.shadow", { model: { a: 1 }, ema: { shadow: { a: 2 } } }, "ema.shadow", { a: 2 }],
  [
    "an EMA copy without buffers",
    { model: { "module.a": 1, "module.n.running_mean": 3 }, ema: { a: 2 } },
    "ema",
    { a: 2, "n.running_mean": 3 },
  ],
  ["names that only contain ema", { schema: { a: 1 } }, "schema", { a: 1 }],
];
for (const [what, tree, path, expected] of CHOICES) {
  Deno.test(`PthFile finds ${what}`, async () => {
    const file = await open(checkpoint(tree));
    equal(file.stateDict, path);
    deepEqual(await contents(file), expected);
  });
}

Deno.test("PthFile takes the model itself or a named dict when asked", async () => {
  const tree = { model: { a: 1 }, ema: { a: 2 }, other: { a: 3 } };
  deepEqual(await contents(await open(checkpoint(tree), { ema: false })), { a: 1 });
  deepEqual(await contents(await open(checkpoint(tree), { key: "other" })), { a: 3 });
  await rejects(open(checkpoint(tree), { key: "none" }), /no state dict "none", but "model"/);
});

Deno.test("PthFile does not guess between equal candidates", async () => {
  await rejects(open(checkpoint({ left: { a: 1 }, right: { a: 2 } })), /several state dicts/);
  await rejects(open(checkpoint({ ema_a: { a: 1 }, ema: { a: 2 } })), /several state dicts/);
});

Deno.test("PthFile reads a state dict of a trainer: EMA copies of parameters, flat", async () => {
  // FAR's trainer saves {name: shadow[name].clone()} as ema.pth
  const names = ["x_embedder.weight", "transformer_blocks.0.attn.to_q.weight"];
  const file = await open(checkpoint({ [names[0]!]: 1, [names[1]!]: 2 }));
  deepEqual([...file.tensors.keys()], names);
  equal(file.stateDict, "");
});

Deno.test("PthFile terminates on dicts that contain themselves", async () => {
  const file = await open(
    pth(pickle("}q", 0, "(", text("self"), "h", 0, text("w"), tensor(), "u")),
  );
  deepEqual([...file.tensors.keys()], ["w"]);
  ok(file.others.includes("self"));
});

Deno.test("PthFile refuses to read a tensor of another file", async () => {
  const [a, b] = [await open(pth(one())), await open(pth(one()))];
  await rejects(a.read(b.tensors.get("w")!), RangeError);
});
