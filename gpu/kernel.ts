import type { MemoryKind } from "./memory.ts";

/** A source text of a shader. */
export interface ShaderSource {
  /** Path from the project's root, which errors name. */
  readonly file: string;
  readonly code: string;
}

/** A compute shader with the bindings and parameters that its text declares. */
export interface Kernel {
  readonly name: string;
  readonly code: string;
  /** The texts that `code` joins, in their order. */
  readonly sources: readonly ShaderSource[];
  /** Storage bindings, by name. */
  readonly bindings: ReadonlyMap<string, StorageBinding>;
  /** The uniform `struct Params`, field by field, 4 bytes each. */
  readonly params: Struct;
  /** Binding number of the uniform, if there is one. */
  readonly paramsBinding: number | undefined;
}

export interface StorageBinding {
  readonly binding: number;
  readonly writable: boolean;
  /**
   * What to bind: "uniform" for a buffer of per-step numbers, "texture" for a texture that serves
   * as memory.
   */
  readonly space: MemoryKind;
}

/** A field of 4 bytes. */
export interface StructField {
  readonly name: string;
  readonly type: "u32" | "i32" | "f32";
}

/** A WGSL struct of 4-byte fields, one after the other, read from the shader that declares it. */
export type Struct = readonly StructField[];

const BINDING =
  /@group\(0\)\s*@binding\((\d+)\)\s*var<(storage|uniform)(?:,\s*(read|read_write))?>\s*(\w+)/g;
const TEXTURE =
  /@group\(0\)\s*@binding\((\d+)\)\s*var\s+(\w+)\s*:\s*texture_storage_2d<rgba32uint,\s*(read|write)>/g;
const FIELD = /(\w+)\s*:\s*(\w+)/g;

/**
 * Reads a `.wgsl` text so that each binding and parameter is declared once, in the shader, and the
 * TypeScript side binds by name.
 * @param texts one, or several that are joined in this order
 * @throws {SyntaxError} when a Params field is not u32, i32 or f32
 */
export function defineKernel(name: string, texts: string | readonly ShaderSource[]): Kernel {
  const sources = typeof texts === "string" ? [{ file: `${name}.wgsl`, code: texts }] : texts;
  const code = sources.map((source) => source.code).join("");
  const bindings = new Map<string, StorageBinding>();
  let paramsBinding: number | undefined;
  const plain = code.replace(/\/\/.*$/gm, "");
  for (const [, binding, space, access, variable] of plain.matchAll(BINDING)) {
    if (space === "uniform" && variable === "params") paramsBinding = Number(binding);
    else {
      bindings.set(variable!, {
        binding: Number(binding),
        writable: access === "read_write",
        space: space as MemoryKind,
      });
    }
  }
  for (const [, binding, variable, access] of plain.matchAll(TEXTURE)) {
    const writable = access === "write";
    bindings.set(variable!, { binding: Number(binding), writable, space: "texture" });
  }
  return { name, code, sources, bindings, paramsBinding, params: readStruct(name, code, "Params") };
}

/**
 * Reads a struct from the shader text that declares it; a missing struct has no fields.
 * @throws {SyntaxError} when a field is not u32, i32 or f32
 */
export function readStruct(kernel: string, code: string, struct: string): Struct {
  const plain = code.replace(/\/\/.*$/gm, "");
  const body = new RegExp(`struct ${struct}\\s*\\{([^}]*)\\}`).exec(plain)?.[1] ?? "";
  return [...body.matchAll(FIELD)].map(([, name, type]) => {
    if (type !== "u32" && type !== "i32" && type !== "f32") {
      throw new SyntaxError(
        `Cannot define kernel ${kernel}: ${struct}.${name} is ${type}, not 4 bytes`,
      );
    }
    return { name: name!, type };
  });
}

/** Bytes of a struct, in an array or alone. */
export function structBytes(struct: Struct): number {
  return 4 * struct.length;
}

const OVERRIDE = /^override (\w+): (u32|i32|f32|bool)( = [^;]+)?;/gm;

/**
 * The text with its `override` constants as ordinary ones: unlike those, they may size any array.
 * Branches that they never take are left out, or the memory of workgroups that only these use would
 * be cleared before each workgroup, by a single lane on Metal and DirectX. Lines stay where they are.
 * @returns also the constants that the text does not declare
 */
export function withConstants(
  { code }: Pick<Kernel, "code">,
  constants: Readonly<Record<string, number>>,
): { readonly code: string; readonly unknown: Readonly<Record<string, number>> } {
  const unknown = { ...constants };
  const values = new Map<string, number>();
  const text = code.replace(OVERRIDE, (_, name: string, type: string, standard = "") => {
    delete unknown[name];
    const value = constants[name];
    values.set(name, value ?? standardValue(standard));
    return `const ${name}: ${type}${
      value === undefined ? standard : ` = ${literal(type, value)}`
    };`;
  });
  return { code: withoutDeadBranches(text, values), unknown };
}

/** " = 32u" or " = false" as a number; NaN if it is an expression, or there is none. */
function standardValue(standard: string): number {
  const [, value] = /^ = (true|false|-?[\d.]+)[uif]?$/.exec(standard) ?? [];
  return value === "true" ? 1 : value === "false" ? 0 : Number(value ?? NaN);
}

const BRANCH = /\bif \((!?)([A-Z][A-Z0-9_]*)(?: (==|!=|<|>|<=|>=) (\d+)[ui]?)?\) \{/g;

const BOUND = /@binding\(\d+\)\s*var(?:<storage[^>]*>)?\s+(\w+)/g;

/**
 * Leaves out blocks after an `if (NAME)`, `(!NAME)` or `(NAME > 1u)`, of kernels with workgroup
 * memory. Those with an `else` stay, and those that use a binding, as a pipeline has all of them.
 */
function withoutDeadBranches(text: string, values: ReadonlyMap<string, number>): string {
  if (!text.includes("var<workgroup>")) return text;
  const bound = [...text.matchAll(BOUND)].map(([, name]) => name);
  const binds = new RegExp(`(?<![.\\w])(${bound.join("|")})\\b`);
  let result = "";
  let from = 0;
  for (const branch of text.matchAll(BRANCH)) {
    const [head, not, name, comparison, number] = branch;
    if (branch.index < from || taken(values.get(name!), not!, comparison, Number(number))) continue;
    const end = closingBrace(text, branch.index + head.length);
    if (/^\s*else\b/.test(text.slice(end))) continue;
    if (bound.length > 0 && binds.test(text.slice(branch.index + head.length, end))) continue;
    const lines = text.slice(branch.index, end).split("\n").length - 1;
    result += text.slice(from, branch.index) + "\n".repeat(lines);
    from = end;
  }
  return result + text.slice(from);
}

const COMPARISONS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "<=": (a, b) => a <= b,
  ">=": (a, b) => a >= b,
};

/** Whether a branch may be taken; without a comparison, a constant is true or `not`. */
function taken(value = NaN, not: string, comparison: string | undefined, number: number): boolean {
  if (Number.isNaN(value)) return true;
  return comparison ? COMPARISONS[comparison]!(value, number) : (value !== 0) === (not === "");
}

/** Just after the brace that closes a block, whose own was before `from`. */
function closingBrace(text: string, from: number): number {
  let depth = 1;
  for (const { 0: piece, index } of text.slice(from).matchAll(/\/\/.*|[{}]/g)) {
    if (piece === "{") depth++;
    else if (piece === "}" && --depth === 0) return from + index + 1;
  }
  return text.length;
}

function literal(type: string, value: number): string {
  if (type === "bool") return String(value !== 0);
  return `${type}(${value})`;
}

/** "┌─ wgsl:12:5" or "┌─ linear.wgsl:12:5", the place that a driver's compiler points at. */
const PLACE = /┌─ \S*?:(\d+):(\d+)/g;
const GUTTER = /^(\s*)(\d+) │/gm;

/** Rewrites places in a compiler's message from the joined text to the kernel's files. */
export function placeErrors({ sources }: Kernel, message: string): string {
  const find = (line: number) => {
    for (const { file, code } of sources) {
      const lines = code.split("\n").length - 1;
      if (line <= lines || file === sources.at(-1)!.file) return { file, line };
      line -= lines;
    }
    return { file: "", line };
  };
  return message
    .replace(PLACE, (_, line, column) => {
      const place = find(Number(line));
      return `┌─ ${place.file}:${place.line}:${column}`;
    })
    .replace(GUTTER, (_, space, line) => `${space}${find(Number(line)).line} │`);
}

/** Writes parameters in the order of the struct. @throws {TypeError} for a missing or extra name */
export function packParams(
  { name, params }: Kernel,
  values: Readonly<Record<string, number>>,
  view: DataView,
  offset: number,
): void {
  try {
    packStruct(params, values, view, offset);
  } catch (cause) {
    throw new TypeError(`Cannot run ${name}: ${(cause as Error).message}`, { cause });
  }
}

/** Writes a struct's fields by name. @throws {TypeError} for a missing or extra name */
export function packStruct(
  struct: Struct,
  values: Readonly<Record<string, number>>,
  view: DataView,
  offset: number,
): void {
  for (const name of Object.keys(values)) {
    if (!struct.some((field) => field.name === name)) {
      throw new TypeError(`it has no parameter ${name}`);
    }
  }
  for (const [i, { name, type }] of struct.entries()) {
    const value = values[name];
    if (value === undefined) throw new TypeError(`parameter ${name} is missing`);
    const at = offset + 4 * i;
    if (type === "f32") view.setFloat32(at, value, true);
    else if (type === "i32") view.setInt32(at, value, true);
    else view.setUint32(at, value, true);
  }
}
