import * as FRAGMENTS from "./fragment_texts.ts";
import { defineKernel, type Kernel, readStruct } from "../gpu/kernel.ts";

/** A frame of a pass, as kernels read it from a pass's `frames`. */
export const FRAME = readStruct("frame", FRAGMENTS.frame, "Frame");
/** The parameters of a model call. */
export const STEP = readStruct("step", FRAGMENTS.step, "Step");

const FIRST_LINE = /^\/\/ Joined after fragments: (\w+(?:,(?: |\n\/\/ )\w+)*)\.\n/;
const NEXT = /,(?: |\n\/\/ )/;

/** Directives of WGSL that stand before everything else, by the fragments that need them. */
const DIRECTIVES: Readonly<Record<string, string>> = { halves: "enable f16;\n" };

/**
 * Defines a kernel. If its first line reads "Joined after fragments: a, b.", `fragments/a.wgsl` and
 * `fragments/b.wgsl` are put before it; otherwise it compiles as it stands.
 * @param name of its file, without `.wgsl`
 * @param instead fragments to take the place of those
 * @throws {TypeError} the line names a fragment that does not exist
 */
export function joinKernel(
  name: string,
  code: string,
  instead: Readonly<Record<string, string>> = {},
): Kernel {
  const texts: Readonly<Record<string, string>> = FRAGMENTS;
  const names = FIRST_LINE.exec(code)?.[1]?.split(NEXT) ?? [];
  const joined = [...new Set(names.map((fragment) => instead[fragment] ?? fragment))];
  const fragments = joined.map((fragment) => {
    const text = texts[fragment];
    if (text === undefined) {
      throw new TypeError(`Cannot define kernel ${name}: there is no fragment ${fragment}`);
    }
    return { file: `kernels/fragments/${fragment}.wgsl`, code: text };
  });
  const directives = joined.map((fragment) => DIRECTIVES[fragment] ?? "").join("");
  const head = directives ? [{ file: "", code: directives }] : [];
  return defineKernel(name, [...head, ...fragments, { file: `kernels/${name}.wgsl`, code }]);
}
