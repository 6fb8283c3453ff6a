/** Instructions of one trip of a loop, by kind; bytes are those of one lane. */
export interface Loop {
  readonly fma: number;
  readonly valu: number;
  /** Integer arithmetic, nearly all of it for addresses. */
  readonly address: number;
  readonly memoryBytes: number;
  readonly ldsBytes: number;
  /** Times that a wave waits for loads it has just asked for: from memory, of uniforms, of LDS. */
  readonly memoryWaits: number;
  readonly scalarWaits: number;
  readonly ldsWaits: number;
  readonly branches: number;
}

const BYTES: Readonly<Record<string, number>> = {
  ...{ ubyte: 1, sbyte: 1, ushort: 2, sshort: 2, short: 2 },
  ...{ dword: 4, dwordx2: 8, dwordx3: 12, dwordx4: 16 },
  ...{ b8: 1, u8: 1, i8: 1, b16: 2, u16: 2, d16: 2, b32: 4, b64: 8, b96: 12, b128: 16 },
};
const FMA = /^v_(dual_)?(fma|fmac|fmaak|fmamk|mad|mac|madak|madmk|pk_fma|dot\d)\w*/;
const INTEGER = /_(u|i|b|nc_u|co_u)(16|24|32|64)/;

function bytesOf(instruction: string): number {
  return instruction.split("_").map((part) => BYTES[part]).find((n) => n !== undefined) ?? 4;
}

/** Counts instructions of AMD's assembly. */
function count(lines: readonly string[]): Loop {
  const sum = { fma: 0, valu: 0, address: 0, memoryBytes: 0, ldsBytes: 0, branches: 0 };
  const waits = { memoryWaits: 0, scalarWaits: 0, ldsWaits: 0 };
  const asked = { memory: false, scalar: false, lds: false };
  for (const piece of lines.flatMap((line) => line.split(" :: "))) {
    const name = piece.trim().split(/\s/)[0] ?? "";
    if (name.startsWith("v_") && !name.startsWith("v_nop")) {
      sum.valu++;
      if (FMA.test(name) && !/_(u|i)(16|24|32|64)/.test(name)) sum.fma++;
      else if (INTEGER.test(name) && !/cndmask|v_mov|_cmp|_cvt/.test(name)) sum.address++;
    } else if (/^(buffer|global|flat)_(load|store|atomic)|^(image|tbuffer)_/.test(name)) {
      sum.memoryBytes += bytesOf(name);
      asked.memory ||= !name.includes("store");
    } else if (name.startsWith("ds_")) {
      sum.ldsBytes += bytesOf(name) * (/read2|load_2|write2|store_2/.test(name) ? 2 : 1);
      asked.lds ||= !/store|write/.test(name);
    } else if (/^s_(buffer_)?load/.test(name)) asked.scalar = true;
    else if (/^s_c?branch/.test(name)) sum.branches++;
    else if (name.startsWith("s_wait")) wait(piece, asked, waits);
  }
  return { ...sum, ...waits };
}

/** Counts a wait for what was asked for, of one kind: the slowest. */
function wait(
  piece: string,
  asked: { memory: boolean; scalar: boolean; lds: boolean },
  waits: { memoryWaits: number; scalarWaits: number; ldsWaits: number },
): void {
  if (/vmcnt|loadcnt/.test(piece)) {
    waits.memoryWaits += Number(asked.memory);
    asked.memory = false;
  }
  if (!/lgkmcnt|dscnt|kmcnt/.test(piece)) return;
  waits.scalarWaits += Number(asked.scalar);
  waits.ldsWaits += Number(asked.lds && !asked.scalar);
  asked.scalar = asked.lds = false;
}

/** One trip of the innermost loop that holds most of a program's multiply-adds. */
export function busiestLoop(code: readonly string[]): Loop | undefined {
  const start = new Map<string, number>();
  const total = count(code).fma;
  let best: { readonly length: number; readonly loop: Loop } | undefined;
  for (const [i, line] of code.entries()) {
    const label = /^\s*(BB\d+):/.exec(line)?.[1];
    if (label) start.set(label, i);
    const from = start.get(/^\s*s_c?branch\w*\s+(BB\d+)/.exec(line)?.[1] ?? "");
    if (from === undefined) continue;
    const loop = count(code.slice(from, i + 1));
    const busy = loop.fma > 0 && loop.fma * 2 >= total;
    if (busy && (!best || i - from < best.length)) best = { length: i - from, loop };
  }
  return best?.loop;
}

/** Cycles until a load is there: a guess at RDNA's, the same for all kernels. */
const WAIT = { memory: 400, scalar: 200, lds: 60 };
/** Cycles that the 64 lanes of a wave keep a SIMD of 32 busy. */
const ISSUE = 2;

/** Cycles of a trip with so many waves on a SIMD: they issue in turn, and wait at the same time. */
export function tripCycles(loop: Loop, waves: number): number {
  const waiting = WAIT.memory * loop.memoryWaits + WAIT.scalar * loop.scalarWaits +
    WAIT.lds * loop.ldsWaits;
  return Math.max(waves * ISSUE * loop.valu, ISSUE * loop.valu + waiting);
}

/** Share of the multiply-adds that a SIMD could do, with so many waves on it. */
export function shareOfPeak(loop: Loop, waves: number): number {
  return waves * ISSUE * loop.fma / tripCycles(loop, waves);
}
