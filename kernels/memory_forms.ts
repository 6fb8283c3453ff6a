import { defineKernel, type Kernel, type ShaderSource } from "../gpu/kernel.ts";
import type { DeviceBuffer, Tensor } from "../gpu/memory.ts";
import type { Dispatch, Program } from "../gpu/program.ts";
import texel from "./fragments/texel.wgsl" with { type: "text" };
import { joinKernel } from "./fragments.ts";

/**
 * Forms of a kernel by where its tensors lie: in buffers, as f32 or f16, or in images, which software
 * adapters gather from.
 */
export interface MemoryForms {
  readonly storage: Kernel;
  /** Bindings that differ between the forms. */
  readonly names: readonly string[];
  /** The other forms, made when first needed: for images, and for f16 by the names of its tensors. */
  readonly others: Map<string, Kernel>;
}

/**
 * Defines a kernel with its forms.
 * @param names of the `array<vec4<f32>>` bindings that lie in images there, or may be f16
 */
export function memoryForms(name: string, code: string, names: readonly string[]): MemoryForms {
  return { storage: joinKernel(name, code), names, others: new Map() };
}

/** Records a call of the form that suits its tensors. */
export function dispatchForm(
  p: Program,
  forms: MemoryForms,
  dispatch: Omit<Dispatch, "kernel">,
): void {
  const { label = forms.storage.name } = dispatch;
  p.dispatch({ kernel: formFor(forms, dispatch.buffers), ...dispatch, label });
}

/** The form for the memory that tensors lie in. */
function formFor(
  { storage, names, others }: MemoryForms,
  buffers: Dispatch["buffers"],
): Kernel {
  const images = names.filter((name) => {
    const bound = buffers[`${name}_to`] ?? buffers[name];
    return bound && inImage(bound);
  });
  const half = names.filter((name) => isHalf(buffers[name]));
  if (images.length + half.length === 0) return storage;
  const key = images.length > 0 ? `images ${images.join(" ")}` : half.join(" ");
  const made = others.get(key) ??
    (images.length > 0 ? imageForm(storage, images) : halfForm(storage, half));
  others.set(key, made);
  return made;
}

/** The name of the kernel that a form was made of. */
export function plainName(name: string): string {
  return name.replace(/_(image|half)_\w+$|_copied$|_packed$/, "");
}

function isHalf(bound: Dispatch["buffers"][string] | undefined): boolean {
  return bound !== undefined && "dtype" in bound && bound.dtype === "f16";
}

/** Whether a tensor lies in an image. */
export function inImage(bound: Tensor | DeviceBuffer): boolean {
  return ("buffer" in bound ? bound.buffer : bound).kind === "texture";
}

/** Where the update of a tensor goes: itself, or, if it is an image, another one, in scratch. */
export function updated(p: Program, tensor: Tensor): Tensor {
  return inImage(tensor) ? p.like(tensor, tensor.shape) : tensor;
}

/** Bindings of an array that a kernel updates, from one tensor to another if they are images. */
export function updating(
  name: string,
  from: Tensor,
  to: Tensor,
): Readonly<Record<string, Tensor>> {
  return inImage(to) ? { [name]: from, [`${name}_to`]: to } : { [name]: to };
}

/**
 * A kernel whose arrays of these names are images, row after row. An image cannot be read and
 * written at once: an array that is updated becomes two, `x` that is read and `x_to`.
 * @throws {SyntaxError} a name that the kernel does not declare, or that a parameter hides
 */
export function imageForm({ name, sources }: Kernel, names: readonly string[]): Kernel {
  const image = `${name}_image_${names.join("_")}`;
  return defineKernel(image, rewritten(name, withTexels(sources), names, declareImage));
}

function withTexels(sources: readonly ShaderSource[]): readonly ShaderSource[] {
  if (sources.some(({ code }) => code.includes("fn texel("))) return sources;
  return [...sources, { file: "fragments/texel.wgsl", code: `\n${texel}` }];
}

/**
 * A kernel that reads its arrays of these names in images, `x_from`, where they were copied, and
 * writes them in buffers.
 */
export function copiedForm({ name, sources }: Kernel, names: readonly string[]): Kernel {
  return defineKernel(`${name}_copied`, rewritten(name, withTexels(sources), names, declareCopied));
}

/** A kernel whose arrays of these names are half floats, two to a word: any device unpacks them. */
function halfForm({ name, sources }: Kernel, names: readonly string[]): Kernel {
  return defineKernel(
    `${name}_half_${names.join("_")}`,
    rewritten(name, sources, names, declareHalf),
  );
}

/** How a kernel uses an array. */
interface Uses {
  read: boolean;
  written: boolean;
}

/** Declares an array in another way, with functions that read and write an element. */
type Declare = (name: string, binding: number, uses: Uses) => string;

function rewritten(
  kernel: string,
  sources: readonly ShaderSource[],
  names: readonly string[],
  declare: Declare,
): readonly ShaderSource[] {
  // without comments, which may look like uses
  const plain = sources.map(({ file, code }) => ({ file, code: code.replace(/\/\/.*$/gm, "") }));
  return names.reduce<readonly ShaderSource[]>((texts, name) => {
    const declaration = new RegExp(
      `@group\\(0\\) @binding\\((\\d+)\\) var<storage, \\w+> ${name}: array<vec4<f32>>; *\\n`,
    );
    const other = texts.find(({ code }) =>
      new RegExp(`fn \\w+\\([^)]*\\b${name}:|\\b(let|var) ${name}\\b`).test(code) &&
      code.includes(`${name}[`)
    );
    if (other) throw new SyntaxError(`Cannot define ${kernel}: ${other.file} has another ${name}`);
    const uses = { read: false, written: false };
    const changed = texts.map(({ file, code }) => ({ file, code: rewrite(code, name, uses) }));
    const at = changed.findIndex(({ code }) => declaration.test(code));
    if (at < 0) throw new SyntaxError(`Cannot define ${kernel}: it has no array ${name}`);
    const { file, code } = changed[at]!;
    const binding = Number(declaration.exec(code)![1]);
    return changed.with(at, {
      file,
      code: code.replace(declaration, declare(name, binding, uses)),
    });
  }, plain);
}

/** Bindings of what is written, where it is read too, follow those of all arrays. */
const SECOND = 16;

function declareImage(name: string, binding: number, { read, written }: Uses): string {
  const bind = (n: number, of: string, access: string) =>
    `@group(0) @binding(${n}) var ${of}: texture_storage_2d<rgba32uint, ${access}>;\n`;
  const to = read ? `${name}_to` : name;
  const get = `fn get_${name}(i: u32) -> vec4<f32> { ` +
    `return bitcast<vec4<f32>>(textureLoad(${name}, texel(i))); }\n`;
  const put = `fn put_${name}(i: u32, v: vec4<f32>) { ` +
    `textureStore(${to}, texel(i), bitcast<vec4<u32>>(v)); }\n`;
  return (read ? bind(binding, name, "read") + get : "") +
    (written ? bind(read ? SECOND + binding : binding, to, "write") + put : "");
}

function declareCopied(name: string, binding: number): string {
  return `@group(0) @binding(${binding}) var<storage, read_write> ${name}: array<vec4<f32>>;\n` +
    `@group(0) @binding(${SECOND + binding}) ` +
    `var ${name}_from: texture_storage_2d<rgba32uint, read>;\n` +
    `fn get_${name}(i: u32) -> vec4<f32> { ` +
    `return bitcast<vec4<f32>>(textureLoad(${name}_from, texel(i))); }\n` +
    `fn put_${name}(i: u32, v: vec4<f32>) { ${name}[i] = v; }\n`;
}

function declareHalf(name: string, binding: number, { written }: Uses): string {
  const access = written ? "read_write" : "read";
  return `@group(0) @binding(${binding}) var<storage, ${access}> ${name}: array<vec2<u32>>;\n` +
    `fn get_${name}(i: u32) -> vec4<f32> { ` +
    `return vec4(unpack2x16float(${name}[i].x), unpack2x16float(${name}[i].y)); }\n` +
    `fn put_${name}(i: u32, v: vec4<f32>) { ` +
    (written ? `${name}[i] = vec2(pack2x16float(v.xy), pack2x16float(v.zw)); ` : "") + `}\n`;
}

/** `x[i]` -> `get_x(i)`, `x[i] = v;` -> `put_x(i, v);`, `x[i] += v;` -> `put_x(i, get_x(i) + (v));` */
function rewrite(code: string, name: string, uses: Uses): string {
  const start = new RegExp(`(?<![\\w.])${name}\\[`).exec(code);
  if (!start) return code;
  const open = start.index + start[0].length;
  const close = closing(code, open);
  const index = rewrite(code.slice(open, close), name, uses);
  const rest = code.slice(close + 1);
  const store = /^\s*([-+*]?)=(?!=)\s*([^;]*);/.exec(rest);
  const before = code.slice(0, start.index);
  if (!store) {
    uses.read = true;
    return `${before}get_${name}(${index})${rewrite(rest, name, uses)}`;
  }
  uses.written = true;
  const value = rewrite(store[2]!, name, uses);
  if (store[1]) uses.read = true;
  const put = store[1] ? `get_${name}(${index}) ${store[1]} (${value})` : value;
  const after = rewrite(rest.slice(store[0].length), name, uses);
  return `${before}put_${name}(${index}, ${put});${after}`;
}

/** Where the bracket that was opened before `from` is closed. */
function closing(code: string, from: number): number {
  let depth = 1;
  for (let i = from; i < code.length; i++) {
    if (code[i] === "[") depth++;
    else if (code[i] === "]" && --depth === 0) return i;
  }
  throw new SyntaxError("Cannot find the end of an index");
}
