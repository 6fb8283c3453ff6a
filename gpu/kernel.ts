import type { MemoryKind } from "./memory.ts";

/** A compute shader as written, with what its text declares: bindings, parameters. */
export interface Kernel {
  readonly name: string;
  readonly code: string;
  /** Storage bindings, by name. */
  readonly bindings: ReadonlyMap<string, StorageBinding>;
  /** The uniform `struct Params`, field by field, 4 bytes each. */
  readonly params: readonly ParamField[];
  /** Binding number of the uniform, where there is one. */
  readonly paramsBinding: number | undefined;
}

export interface StorageBinding {
  readonly binding: number;
  readonly writable: boolean;
  /** What is to be bound: "uniform" for a buffer of per-step numbers, "image" for a texture. */
  readonly space: MemoryKind;
}

export interface ParamField {
  readonly name: string;
  readonly type: "u32" | "i32" | "f32";
}

const BINDING =
  /@group\(0\)\s*@binding\((\d+)\)\s*var<(storage|uniform)(?:,\s*(read|read_write))?>\s*(\w+)/g;
const IMAGE =
  /@group\(0\)\s*@binding\((\d+)\)\s*var\s+(\w+)\s*:\s*texture_storage_2d<rgba32uint,\s*(read|write)>/g;
const PARAMS = /struct Params\s*\{([^}]*)\}/;
const FIELD = /(\w+)\s*:\s*(\w+)/g;

/**
 * Reads a `.wgsl` text so that each binding and parameter is declared once, in the shader, and the
 * TypeScript side binds by name.
 * @throws {SyntaxError} when a Params field is not u32, i32 or f32
 */
export function defineKernel(name: string, code: string): Kernel {
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
  for (const [, binding, variable, access] of plain.matchAll(IMAGE)) {
    const writable = access === "write";
    bindings.set(variable!, { binding: Number(binding), writable, space: "image" });
  }
  return { name, code, bindings, paramsBinding, params: readParams(name, plain) };
}

function readParams(name: string, code: string): ParamField[] {
  const body = PARAMS.exec(code)?.[1] ?? "";
  return [...body.matchAll(FIELD)].map(([, field, type]) => {
    if (type !== "u32" && type !== "i32" && type !== "f32") {
      throw new SyntaxError(
        `Cannot define kernel ${name}: Params.${field} is ${type}, not 4 bytes`,
      );
    }
    return { name: field!, type };
  });
}

/** Writes parameters in the order of the struct. @throws {TypeError} for a missing or extra name */
export function packParams(
  kernel: Kernel,
  values: Readonly<Record<string, number>>,
  view: DataView,
  offset: number,
): void {
  for (const name of Object.keys(values)) {
    if (!kernel.params.some((field) => field.name === name)) {
      throw new TypeError(`Cannot run ${kernel.name}: it has no parameter ${name}`);
    }
  }
  for (const [i, { name, type }] of kernel.params.entries()) {
    const value = values[name];
    if (value === undefined) {
      throw new TypeError(`Cannot run ${kernel.name}: parameter ${name} is missing`);
    }
    const at = offset + 4 * i;
    if (type === "f32") view.setFloat32(at, value, true);
    else if (type === "i32") view.setInt32(at, value, true);
    else view.setUint32(at, value, true);
  }
}
