/** Instructions of one trip of a loop, by kind; bytes are those of one lane. */
export interface Loop {
  readonly fma: number;
  readonly valu: number;
  /** Integer arithmetic, nearly all of it for addresses. */
  readonly address: number;
  readonly memoryBytes: number;
  readonly ldsBytes: number;
  /** Times that a wave stops until loads are there: from memory, of uniforms, of LDS. */
  readonly memoryWaits: number;
  readonly scalarWaits: number;
  readonly ldsWaits: number;
  /** Cycles that it stops in all: a load that was asked for early may be there in time. */
  readonly stall: number;
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

/** Cycles until a load is there: a guess at RDNA's, the same for all kernels. */
const LATENCY = { memory: 400, scalar: 200, lds: 60 };
/** Cycles that the 64 lanes of a wave keep a SIMD of 32 busy. */
const ISSUE = 2;

/** A load or store on its way. */
interface Asked {
  readonly kind: "memory" | "scalar" | "lds";
  /** The cycle when it is there. */
  readonly ready: number;
}

/** A single wave: its clock, and what it has asked for, by the two counters that it can wait for. */
class Wave {
  cycle = 0;
  readonly waits = { memory: 0, scalar: 0, lds: 0 };
  /** Cycles spent waiting. */
  stall = 0;
  readonly #memory: Asked[] = [];
  readonly #others: Asked[] = [];

  ask(kind: Asked["kind"], latency = LATENCY[kind]): void {
    const queue = kind === "memory" ? this.#memory : this.#others;
    queue.push({ kind, ready: this.cycle + latency });
  }

  /** `s_waitcnt vmcnt(3) lgkmcnt(0)`, or one of the newer kinds: all but so many are there. */
  wait(piece: string): void {
    this.#until(this.#memory, /(?:vmcnt|loadcnt)\W*(\w+)/.exec(piece)?.[1]);
    this.#until(this.#others, /(?:lgkmcnt|dscnt|kmcnt)\W*(\w+)/.exec(piece)?.[1]);
  }

  #until(queue: Asked[], left: string | undefined): void {
    if (left === undefined) return;
    const there = queue.splice(0, Math.max(0, queue.length - Number(left)));
    const last = there.reduce((a, b) => b.ready > a.ready ? b : a, { kind: "lds", ready: 0 });
    if (last.ready <= this.cycle) return;
    this.waits[last.kind]++;
    this.stall += last.ready - this.cycle;
    this.cycle = last.ready;
  }
}

/** Counts instructions of AMD's assembly, as a wave does them. */
function count(lines: readonly string[], wave = new Wave()): Loop {
  const sum = { fma: 0, valu: 0, address: 0, memoryBytes: 0, ldsBytes: 0, branches: 0 };
  const before = { ...wave.waits, stall: wave.stall };
  for (const piece of lines.flatMap((line) => line.split(" :: "))) {
    const name = piece.trim().split(/\s/)[0] ?? "";
    if (name.startsWith("v_") && !name.startsWith("v_nop")) {
      sum.valu++;
      wave.cycle += ISSUE;
      if (FMA.test(name) && !/_(u|i)(16|24|32|64)/.test(name)) {
        sum.fma += name.startsWith("v_pk_fma") ? 2 : 1;
      } else if (INTEGER.test(name) && !/cndmask|v_mov|_cmp|_cvt/.test(name)) sum.address++;
    } else if (/^(buffer|global|flat)_(load|store|atomic)|^(image|tbuffer)_/.test(name)) {
      sum.memoryBytes += bytesOf(name);
      if (!name.includes("store")) wave.ask("memory");
    } else if (name.startsWith("ds_")) {
      sum.ldsBytes += bytesOf(name) * (/read2|load_2|write2|store_2/.test(name) ? 2 : 1);
      wave.ask("lds", /store|write/.test(name) ? 0 : undefined);
    } else if (/^s_(buffer_)?load/.test(name)) wave.ask("scalar");
    else if (/^s_c?branch/.test(name)) sum.branches++;
    else if (name.startsWith("s_wait")) wave.wait(piece);
  }
  return {
    ...sum,
    memoryWaits: wave.waits.memory - before.memory,
    scalarWaits: wave.waits.scalar - before.scalar,
    ldsWaits: wave.waits.lds - before.lds,
    stall: wave.stall - before.stall,
  };
}

/** A trip after others, for which loads of the one before may be on their way. */
function laterTrip(lines: readonly string[]): Loop {
  const wave = new Wave();
  count(lines, wave);
  return count(lines, wave);
}

/** Where loops begin and end in a program, inner ones before those around them. */
function loopsOf(code: readonly string[]): [from: number, to: number][] {
  const start = new Map<string, number>();
  const loops: [number, number][] = [];
  for (const [i, line] of code.entries()) {
    const label = /^\s*(BB\d+):/.exec(line)?.[1];
    if (label) start.set(label, i);
    const from = start.get(/^\s*s_c?branch\w*\s+(BB\d+)/.exec(line)?.[1] ?? "");
    if (from !== undefined) loops.push([from, i]);
  }
  return loops;
}

/** A loop's lines, those of loops within it as often as these make trips. */
function unrolled(code: readonly string[], trips: number): string[] {
  if (trips === 1) return [...code];
  const inner = loopsOf(code).filter(([from]) => from > 0);
  return code.flatMap((line, i) => {
    const around = inner.find(([from, to]) => from <= i && i <= to);
    if (!around) return [line];
    return i === around[0] ? Array(trips).fill(code.slice(around[0], around[1] + 1)).flat() : [];
  });
}

/**
 * One trip of the innermost loop that holds most of a program's multiply-adds.
 * @param inner trips that loops make within it, where it has any: a kernel whose work is in two of them
 */
export function busiestLoop(code: readonly string[], inner = 1): Loop | undefined {
  const total = count(code).fma;
  const share = inner > 1 ? 0.9 : 0.5;
  const busy = loopsOf(code).map(([from, to]) => code.slice(from, to + 1))
    .filter((lines) => count(lines).fma > 0 && count(lines).fma >= share * total)
    .sort((a, b) => a.length - b.length)[0];
  return busy && laterTrip(unrolled(busy, inner));
}

/**
 * Cycles of a trip with so many waves on a SIMD: they issue in turn, and wait at the same time.
 * @param issue cycles that an instruction of a wave keeps it busy
 */
export function tripCycles(loop: Loop, waves: number, issue = ISSUE): number {
  return Math.max(waves * issue * loop.valu, issue * loop.valu + loop.stall);
}

/** Share of the multiply-adds that a SIMD could do, with so many waves on it. */
export function shareOfPeak(loop: Loop, waves: number): number {
  return waves * ISSUE * loop.fma / tripCycles(loop, waves);
}
