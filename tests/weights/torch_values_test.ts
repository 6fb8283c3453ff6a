import { deepEqual, equal, ok } from "node:assert/strict";
import { inflateSync } from "node:zlib";
import { MemorySource } from "../../files/byte_source.ts";
import {
  PickleDict,
  PickleGlobal,
  PickleList,
  PickleObject,
  PickleTuple,
  PickleUnread,
  type PickleValue,
} from "../../weights/pickle.ts";
import { PthFile } from "../../weights/pth.ts";
import { TorchTensor } from "../../weights/torch_pickle.ts";
import { TorchValues } from "../../weights/torch_values.ts";

/** Written by torch.save of PyTorch 2.5.1; `value` is what torch.load(weights_only=True) gave. */
interface Case {
  readonly name: string;
  readonly format: "zip" | "legacy";
  /** False where PyTorch refused the whole file for one value in it. */
  readonly read: boolean;
  readonly value: unknown;
  /** Deflated, in base64. */
  readonly file: string;
}

const CASES: Case[] = JSON.parse(
  Deno.readTextFileSync(`${import.meta.dirname}/../fixtures/weights/torch_objects.json`),
);
const DTYPES: Record<string, string> = {
  F64: "float64",
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
  I64: "int64",
  I32: "int32",
  I16: "int16",
  I8: "int8",
  U8: "uint8",
  BOOL: "bool",
  C64: "complex64",
  F8_E5M2: "float8_e5m2",
  F8_E4M3: "float8_e4m3fn",
  F8_E5M2FNUZ: "float8_e5m2fnuz",
  F8_E4M3FNUZ: "float8_e4m3fnuz",
};

async function plain(file: TorchValues, value: PickleValue): Promise<unknown> {
  const inside = (item: PickleValue) => plain(file, item);
  if (value instanceof Uint8Array) return { raw: [...value] };
  if (value instanceof TorchTensor) {
    const { dtype, shape } = value;
    return { dtype: DTYPES[dtype], shape, bytes: [...await file.read(value)] };
  }
  if (value instanceof PickleObject || value instanceof PickleGlobal) return { unread: true };
  if (value instanceof PickleList || value instanceof PickleTuple) {
    return await Promise.all(value.items.map(inside));
  }
  if (typeof value === "bigint") return { int: String(value) };
  if (!(value instanceof PickleDict)) return value;
  const entries = [...value.entries];
  return {
    dict: await Promise.all(
      entries.map(async ([key, item]) => [await inside(key), await inside(item)]),
    ),
  };
}

const source = ({ file }: Case) => new MemorySource(inflateSync(Uint8Array.fromBase64(file)));

for (const each of CASES) {
  Deno.test(`TorchValues reads ${each.name} (${each.format}) as PyTorch does`, async () => {
    const file = await TorchValues.from(source(each));
    if (each.read) return deepEqual(await plain(file, file.value), each.value);
    equal((await file.tensor("w")).length, 12);
    ok(file.value instanceof PickleDict);
    const others = [...file.value.entries.values()].filter((item) =>
      !(item instanceof TorchTensor)
    );
    ok(others.every((item) => item instanceof PickleUnread || item instanceof Uint8Array));
    equal(others.length, 1);
  });
}

Deno.test("PthFile reads tensors next to any other values of PyTorch", async () => {
  for (const each of CASES.filter(({ value, read }) => !read || hasTensor(value, "w"))) {
    const file = await PthFile.from(source(each));
    ok(file.tensors.has("w") || file.unread.has("w"), each.name);
  }
});

function hasTensor(value: unknown, name: string): boolean {
  const { dict = [] } = value as { dict?: [unknown, { bytes?: unknown }][] };
  return dict.some(([key, item]) => key === name && item?.bytes !== undefined);
}
