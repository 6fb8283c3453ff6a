import * as FRAGMENTS from "./fragment_texts.ts";
import { defineKernel, type Kernel, readStruct } from "../gpu/kernel.ts";

/** A frame of a pass, as kernels read it from a pass's `frames`. */
export const FRAME = readStruct("frame", FRAGMENTS.frame, "Frame");
/** The parameters of a model call. */
export const STEP = readStruct("step", FRAGMENTS.step, "Step");

const FIRST_LINE = /^\/\/ Joined after fragments: (\w+(?:, \w+)*)\.\n/;

/**
 * Defines a kernel. If its first line reads "Joined after fragments: a, b.", `fragments/a.wgsl` and
 * `fragments/b.wgsl` are put before it; otherwise it compiles as it stands.
 * @param name of its file, without `.wgsl`
 * @throws {TypeError} the line names a fragment that does not exist
 */
export function joinKernel(name: string, code: string): Kernel {
  const texts: Readonly<Record<string, string>> = FRAGMENTS;
  const names = FIRST_LINE.exec(code)?.[1]?.split(", ") ?? [];
  const fragments = names.map((fragment) => {
    const text = texts[fragment];
    if (text === undefined) {
      throw new TypeError(`Cannot define kernel ${name}: there is no fragment ${fragment}`);
    }
    return { file: `kernels/fragments/${fragment}.wgsl`, code: text };
  });
  return defineKernel(name, [...fragments, { file: `kernels/${name}.wgsl`, code }]);
}
