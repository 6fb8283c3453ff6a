/**
 * Feeds broken input to every parser of untrusted data and checks that each either reads it or
 * refuses it with an error of its own, quickly, and never reads outside the file.
 *
 *   deno run -A tools/fuzz.ts safetensors|pickle|zip|pth|npy|npz|mp4|webm|... COUNT [SEED] [FROM]
 *
 * COUNT is a number of inputs, an amount of processor time in seconds (3600s), or the lesser of
 * both (1000000,3600s). The name `all` takes all parsers in turn. Inputs are read in child processes,
 * which are killed if one takes too long. Input number i of a seed is always the same: a crash is
 * repeated with COUNT 1 and FROM i.
 */
import { join } from "node:path";
import { cpuUsage } from "node:process";
import { MediaError } from "../media/errors.ts";
import { NpyStream } from "../media/npy_stream.ts";
import { NpzFile } from "../media/npz.ts";
import { MemorySource } from "../files/byte_source.ts";
import { CheckpointError } from "../files/errors.ts";
import { readPickle } from "../weights/pickle.ts";
import { PthFile } from "../weights/pth.ts";
import { SafetensorsFile } from "../weights/safetensors.ts";
import { DTYPE_BITS } from "../weights/tensor_file.ts";
import { torchNames } from "../weights/torch_pickle.ts";
import { checkCrc, readZip } from "../files/zip.ts";
import { UsageError } from "../cli/errors.ts";
import { runChild, scratchFolder } from "./fuzz_child.ts";
import { hubTarget } from "./fuzz_hub.ts";
import { MEDIA_TARGETS } from "./fuzz_media.ts";
import { Mutator } from "./fuzz_mutator.ts";
import { QUEUE_ANSWER, QUEUE_JOB } from "./fuzz_queue.ts";

const CHECKPOINTS = new URL("../tests/fixtures/goldens/checkpoints/", import.meta.url);
const ARRAYS = new URL("../tests/fixtures/media/", import.meta.url);
/** No input of a few kilobytes may take longer. */
const SLOW_MS = 1000;

/** A parser under test: how its input is made, and how it is read and checked. */
export interface Target {
  readonly make: (mutator: Mutator) => Uint8Array;
  /** Milliseconds after which an input counts as slow; SLOW_MS unless told. */
  readonly slow?: number;
  /** Reads the input; throws one of REFUSALS if it is refused, anything else if that is a bug. */
  readonly read: (input: Uint8Array) => Promise<void>;
}

/** What a parser may throw. */
const REFUSALS = [CheckpointError, MediaError, UsageError];

const seed = (name: string) => Deno.readFileSync(new URL(name, CHECKPOINTS));
const array = (name: string) => Deno.readFileSync(new URL(name, ARRAYS));
const zips = ["nested.pth", "odd.pth", "evil-reduce.pth"].map(seed);

/** Every parser of untrusted data, by name. */
export const TARGETS: Readonly<Record<string, () => Target | Promise<Target>>> = {
  safetensors: safetensorsTarget,
  pickle: pickleTarget,
  zip: () => ({ make: (m) => m.archive(m.pick(zips)), read: readArchive }),
  pth: () => {
    const files = [...zips, seed("odd-legacy.pth")];
    return { make: (m) => m.archive(m.pick(files)), read: readCheckpoint };
  },
  npy: () => {
    const names = ["bytes", "bools", "halves", "doubles", "empty", "version_2", "version_3"];
    const files = names.map((name) => array(`${name}.npy`));
    return { make: (m) => m.array(m.pick(files)), read: readArray };
  },
  npz: () => {
    const names = ["stored", "compressed", "streamed", "zip64", "strings"];
    const files = names.map((name) => array(`${name}.npz`));
    const path = join(scratchFolder(), "a.npz");
    return { make: (m) => m.archive(m.pick(files)), read: (input) => readArrays(path, input) };
  },
  "queue-job": () => QUEUE_JOB,
  "queue-answer": () => QUEUE_ANSWER,
  hub: hubTarget,
  ...MEDIA_TARGETS,
};

function safetensorsTarget(): Target {
  const whole = seed("odd.safetensors");
  const length = Number(new DataView(whole.buffer).getBigUint64(0, true));
  const header = new TextDecoder().decode(whole.subarray(8, 8 + length)).trimEnd();
  const data = whole.subarray(8 + length);
  const dtypes = Object.keys(DTYPE_BITS);
  const make = (m: Mutator) => {
    if (m.chance(0.2)) return m.bytes(whole);
    const text = m.chance(0.5) ? m.json(header, dtypes) : m.header(dtypes);
    return m.withLength(text, m.chance(0.7) ? data : m.bytes(data));
  };
  return { make, read: readTensors };
}

async function readTensors(input: Uint8Array): Promise<void> {
  const file = await SafetensorsFile.from(new MemorySource(input));
  let position = input.length;
  for (const info of [...file.tensors.values()].reverse()) {
    const { offset, bytes, shape, dtype } = info;
    const size = shape.reduce((a, b) => a * b, 1) * DTYPE_BITS[dtype] / 8;
    if (offset + bytes !== position || size !== bytes) {
      throw new Error("tensors don't tile the data");
    }
    position = offset;
    await file.read(info);
  }
}

async function pickleTarget(): Promise<Target> {
  const pickles = await Promise.all(zips.map(async (zip) => {
    const entries = await readZip(new MemorySource(zip));
    const { offset, bytes } = [...entries].find(([name]) => name.endsWith("data.pkl"))![1];
    return zip.slice(offset, offset + bytes);
  }));
  const read = (input: Uint8Array) => {
    const { end } = readPickle(input, torchNames(new Map(), 5));
    if (end > input.length) throw new Error("read beyond the end");
    return Promise.resolve();
  };
  return { make: (m) => m.chance(0.5) ? m.bytes(m.pick(pickles)) : m.pickle(), read };
}

async function readArchive(input: Uint8Array): Promise<void> {
  const source = new MemorySource(input);
  let total = 0;
  for (const entry of (await readZip(source)).values()) {
    await checkCrc(source, entry);
    total += entry.bytes;
  }
  if (total > input.length) throw new Error("entries are larger than the archive");
}

async function readCheckpoint(input: Uint8Array): Promise<void> {
  const file = await PthFile.from(new MemorySource(input));
  for (const info of file.tensors.values()) {
    const { length } = await file.read(info);
    if (length !== info.bytes) throw new Error("a tensor has another length");
  }
}

async function readArray(input: Uint8Array): Promise<void> {
  const file = await NpyStream.open(ReadableStream.from([input]), input.length, "memory");
  const { shape, bytes } = file.header;
  const data = await file.next(bytes);
  const count = shape.reduce((a, b) => a * b, 1);
  if (data.length !== count || data.byteLength > input.length) throw new Error("wrong length");
}

/** Reads from a file, since the reader takes nothing else. */
async function readArrays(path: string, input: Uint8Array): Promise<void> {
  await Deno.writeFile(path, input);
  using file = await NpzFile.open(path);
  for (const name of file.names) {
    const { data } = await file.read(name);
    // DEFLATE packs no better than 1032:1.
    if (data.byteLength > 1032 * input.length) throw new Error("larger than it can be");
  }
  await file.readMetadata();
}

/** Counts of one run. */
export interface Tally {
  accepted: number;
  readonly refused: Map<string, number>;
  slowest: number;
}

/**
 * Runs inputs `from`..`to` of a seed; `onInput` is told each and may end the run before the next.
 *
 * @throws on the first bug
 */
export async function fuzz(
  target: Target,
  seed: number,
  [from, to]: readonly [number, number],
  onInput: (index: number) => boolean = () => true,
): Promise<Tally> {
  const tally: Tally = { accepted: 0, refused: new Map(), slowest: 0 };
  const { slow = SLOW_MS } = target;
  for (let i = from; i < to; i++) {
    const isLast = !onInput(i);
    const input = target.make(new Mutator(seed, i));
    const { reason, took: first } = await attempt(target, input, `Input ${i} of seed ${seed}`);
    let took = first;
    // Other processes or the garbage collector may have taken the time: an input is slow if it is
    // slow every time.
    for (let tries = 0; took > slow && tries < 5; tries++) {
      const start = processMs();
      await attempt(target, input, "");
      took = Math.min(took, processMs() - start);
    }
    if (took > slow) throw new Error(`Input ${i} of seed ${seed} took ${took} ms`);
    tally.slowest = Math.max(tally.slowest, took);
    if (reason === undefined) tally.accepted++;
    else tally.refused.set(reason, (tally.refused.get(reason) ?? 0) + 1);
    if (isLast) break;
  }
  return tally;
}

/** Reads one input. @returns why it was refused, if it was, and the milliseconds that it took */
async function attempt(
  target: Target,
  input: Uint8Array,
  name: string,
): Promise<{ reason: string | undefined; took: number }> {
  const start = performance.now();
  let reason: string | undefined;
  try {
    await target.read(input);
  } catch (error) {
    const refused = REFUSALS.some((kind) => error instanceof kind);
    if (!refused || /\n/.test((error as Error).message)) {
      throw new Error(`${name} (${hex(input)})`, { cause: error });
    }
    reason = error instanceof CheckpointError ? error.reason : (error as Error).name;
  }
  return { reason, took: performance.now() - start };
}

/** CPU time of this process in milliseconds; unaffected by other processes. */
function processMs(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1000;
}

function hex(bytes: Uint8Array): string {
  return bytes.subarray(0, 2000).toHex();
}

/** Inputs per child process: native code may leak. */
const PART = 20_000;

/** How much is asked for: inputs, or milliseconds of processor time. */
interface Limits {
  readonly inputs: number;
  readonly cpuMs: number;
}

async function runAll(name: string, limits: Limits, seed: number, from: number): Promise<void> {
  let [at, spent] = [from, 0];
  while (at < from + limits.inputs && spent < limits.cpuMs) {
    const part = Math.min(PART, from + limits.inputs - at);
    const args = ["--child", name, part, limits.cpuMs - spent, seed, at].map(String);
    const { code, at: last, cpuMs, isStuck } = await runChild(import.meta.url, args);
    if (code !== 0) {
      console.error(`${name}: ${isStuck ? "stuck" : "failed"} at input ${last} of seed ${seed}`);
      Deno.exit(1);
    }
    [at, spent] = [last + 1, spent + cpuMs];
  }
  const seconds = spent / 1000;
  const speed = ((at - from) / seconds).toFixed(0);
  console.error(
    `${name}: ${at - from} inputs in ${
      seconds.toFixed(0)
    } s of processor time, ${speed} per second`,
  );
}

/** Reads inputs until one of the limits, and writes their numbers for the parent. */
async function runPart(name: string, limits: Limits, seed: number, from: number): Promise<void> {
  const start = performance.now();
  let [told, at] = [0, from];
  const write = () => {
    told = performance.now();
    Deno.stdout.writeSync(new TextEncoder().encode(`${at} ${processMs().toFixed(0)}\n`));
  };
  const tell = (index: number) => {
    at = index;
    // Reports every input if they are slow or few, otherwise some of them.
    if (limits.inputs > 10 && performance.now() - told < 50) return true;
    write();
    return processMs() < limits.cpuMs;
  };
  const target = await TARGETS[name]!();
  const tally = await fuzz(target, seed, [from, from + limits.inputs], tell);
  write();
  const seconds = (performance.now() - start) / 1000;
  const reasons = [...tally.refused].sort(([, a], [, b]) => b - a);
  console.error(
    `${name}: inputs ${from} to ${at + 1} of seed ${seed} in ${seconds.toFixed(0)} s, ` +
      `${(processMs() / 1000).toFixed(0)} s of processor time, ` +
      `${tally.accepted} accepted, slowest ${tally.slowest.toFixed(0)} ms, ` +
      `RSS ${(Deno.memoryUsage().rss / 1e6).toFixed(0)} MB\n  ` +
      reasons.map(([reason, times]) => `${reason} ${times}`).join(", "),
  );
}

/** "1000" as inputs, "60s" as seconds, "1000,60s" as both; 0 inputs if it is something else. */
function parseLimits(text: string): Limits {
  const [, inputs, seconds] = /^(?:(\d+)(?:,|$))?(?:(\d+)s)?$/.exec(text) ?? [];
  if (inputs === undefined && seconds === undefined) return { inputs: 0, cpuMs: 0 };
  return { inputs: Number(inputs ?? Infinity), cpuMs: 1000 * Number(seconds ?? Infinity) };
}

if (import.meta.main) {
  const isChild = Deno.args[0] === "--child";
  const [name = "", count = "", ...numbers] = isChild ? Deno.args.slice(1) : Deno.args;
  const cpuMs = isChild ? Number(numbers.shift()) : undefined;
  const limits = { ...parseLimits(count), ...(cpuMs === undefined ? {} : { cpuMs }) };
  const [seed = 1, from = 0] = numbers.map(Number);
  const names = name === "all" ? Object.keys(TARGETS) : [name].filter((one) => TARGETS[one]);
  if (names.length === 0 || ![seed, from].every(Number.isInteger) || !(limits.inputs >= 1)) {
    console.error(`Usage: fuzz.ts ${Object.keys(TARGETS).join("|")}|all COUNT [SEED] [FROM]`);
    Deno.exit(2);
  }
  for (const one of names) await (isChild ? runPart : runAll)(one, limits, seed, from);
}
