import type { Inputs } from "./engine.ts";

/** The number of float32 among ONNX's data types. */
const FLOAT = 1;

/** One field of a protobuf message: a varint, or bytes with their length. */
function field(number: number, value: number | Uint8Array): Uint8Array {
  if (typeof value === "number") return join([varint(number << 3), varint(value)]);
  return join([varint((number << 3) | 2), varint(value.length), value]);
}

function varint(value: number): Uint8Array {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return Uint8Array.from([...bytes, value]);
}

function join(parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

/** A float32 ValueInfoProto. */
function valueInfo(name: string, shape: number[]): Uint8Array {
  const dims = shape.map((n) => field(1, field(1, n)));
  const type = field(1, join([field(1, FLOAT), field(2, join(dims))]));
  return join([field(1, text(name)), field(2, type)]);
}

/** An ONNX model y = x w with w [k, n] a constant, as a file's bytes. */
export function onnxMatmul({ w, m, k, n }: Inputs): Uint8Array {
  const node = join([
    field(1, text("x")),
    field(1, text("w")),
    field(2, text("y")),
    field(4, text("MatMul")),
  ]);
  const weight = join([
    field(1, k),
    field(1, n),
    field(2, FLOAT),
    field(8, text("w")),
    field(9, new Uint8Array(w.buffer, w.byteOffset, w.byteLength)),
  ]);
  const graph = join([
    field(1, node),
    field(2, text("matmul")),
    field(5, weight),
    field(11, valueInfo("x", [m, k])),
    field(12, valueInfo("y", [m, n])),
  ]);
  const opset = join([field(1, text("")), field(2, 17)]);
  return join([field(1, 8), field(7, graph), field(8, opset)]);
}
