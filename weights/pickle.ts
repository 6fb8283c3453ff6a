/**
 * A reader of the pickles inside PyTorch checkpoints. It builds plain values and nothing else: a
 * global is a name that the caller's table maps to a function of ours; any other becomes a mark for
 * an unread value, or is refused. No name from a file is ever looked up in the language, and only
 * the opcodes of torch.load(weights_only=True) are known. One loop, no recursion; memory is bounded
 * by the length of the input.
 */
import { viewOf } from "../files/bytes.ts";
import { CheckpointError, type CheckpointReason, quote } from "../files/errors.ts";
import { REFUSED_OPCODES } from "./pickle_opcodes.ts";
import {
  PickleDict,
  PickleGlobal,
  PickleList,
  PickleTuple,
  PickleUnread,
  type PickleValue,
} from "./pickle_values.ts";

export {
  PickleDict,
  PickleGlobal,
  PickleList,
  PickleObject,
  PickleTuple,
  PickleUnread,
  type PickleValue,
} from "./pickle_values.ts";

/** The names that a pickle may refer to. */
export interface PickleNames {
  /** By module and name with a space between: `torch FloatStorage`. */
  readonly globals: ReadonlyMap<string, PickleGlobal>;
  /** Whether any other name becomes a {@linkcode PickleUnread} instead of being refused. */
  readonly marksUnknown: boolean;
  /** Resolves a persistent id. */
  readonly persistent: (id: PickleValue) => PickleValue;
}

/** The input ended before the pickle. */
export class PickleCutOff extends CheckpointError {
  constructor() {
    super("its pickle is cut off", { reason: "BadPickle" });
  }
}

/** No names: for pickles of plain values. */
export const PLAIN: PickleNames = {
  globals: new Map(),
  marksUnknown: false,
  persistent: () => badPickle("refers to something outside itself"),
};

/**
 * Reads one pickle of protocol 2 or 3.
 * @returns the value, and the byte after the pickle
 * @throws {CheckpointError} BadPickle, RefusedGlobal, or what the functions in `names` throw
 */
export function readPickle(
  bytes: Uint8Array,
  names: PickleNames,
  start = 0,
): { value: PickleValue; end: number } {
  return new Machine(bytes, names, start).run();
}

/** Throws the error of a refused pickle. */
export function failPickle(reason: CheckpointReason, why: string): never {
  throw new CheckpointError(why, { reason });
}

/** Throws that a pickle is malformed. @param what it does, in words that follow "its pickle" */
export function badPickle(what: string): never {
  failPickle("BadPickle", `its pickle ${what}`);
}

const LONGEST_NAME = 200;
const DEEPEST_MARK = 1000;
/** A tensor makes five, so this allows 100,000 tensors, about 100 MB at worst. */
const MOST_CONTAINERS = 500_000;
/** Most values on the stack and in the memo. */
const MOST_WAITING = 1_000_000;
const MOST_KEPT = 1_000_000;

class Machine {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #names: PickleNames;
  readonly #memo = new Map<number, PickleValue>();
  /** Stacks below each mark; the last one is directly below the current one. */
  readonly #below: PickleValue[][] = [];
  #stack: PickleValue[] = [];
  #containers = 0;
  /** Bytes made from texts, since one text may be used many times. */
  #made = 0;
  #at: number;

  constructor(bytes: Uint8Array, names: PickleNames, start: number) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.#names = names;
    this.#at = start;
  }

  run(): { value: PickleValue; end: number } {
    if (this.#u8() !== 0x80) failPickle("BadPickle", "it is not a pickle of protocol 2");
    const protocol = this.#u8();
    if (protocol !== 2 && protocol !== 3) {
      badPickle(`has protocol ${protocol}; save it with torch.save's default protocol, 2`);
    }
    for (let op = this.#u8(); op !== 0x2e; op = this.#u8()) this.#step(op);
    const value = this.#pop();
    if (this.#stack.length || this.#below.length) badPickle("ends with values left over");
    return { value, end: this.#at };
  }

  #step(op: number): void {
    if (this.#constant(op) || this.#container(op)) return;
    switch (op) {
      case 0x63: // GLOBAL
        return this.#pushNew(this.#global());
      case 0x52: // REDUCE
      case 0x81: // NEWOBJ
        return this.#reduce();
      case 0x62: // BUILD
        return this.#build();
      case 0x51: // BINPERSID
        return this.#push(this.#names.persistent(this.#pop()));
      case 0x68: // BINGET
        return this.#push(this.#recall(this.#u8()));
      case 0x6a: // LONG_BINGET
        return this.#push(this.#recall(this.#u32()));
      case 0x71: // BINPUT
        return this.#keep(this.#u8());
      case 0x72: // LONG_BINPUT
        return this.#keep(this.#u32());
      default:
        badPickle(
          `asks for ${REFUSED_OPCODES.get(op) ?? "an unknown opcode"} ` +
            `(0x${op.toString(16).padStart(2, "0")}), which no tensor needs`,
        );
    }
  }

  /** Opcodes that push one value written in the pickle. */
  #constant(op: number): boolean {
    switch (op) {
      case 0x4e: // NONE
        return this.#push(null), true;
      case 0x88: // NEWTRUE
        return this.#push(true), true;
      case 0x89: // NEWFALSE
        return this.#push(false), true;
      case 0x4a: // BININT
        return this.#push(this.#view.getInt32(this.#take(4), true)), true;
      case 0x4b: // BININT1
        return this.#push(this.#u8()), true;
      case 0x4d: // BININT2
        return this.#push(this.#view.getUint16(this.#take(2), true)), true;
      case 0x8a: // LONG1
        return this.#push(this.#long(this.#u8())), true;
      case 0x47: // BINFLOAT
        return this.#push(this.#view.getFloat64(this.#take(8), false)), true;
      case 0x58: // BINUNICODE
        return this.#push(this.#text(this.#u32())), true;
      case 0x55: // SHORT_BINSTRING
        return this.#push(this.#text(this.#u8())), true;
      default:
        return false;
    }
  }

  /** Opcodes that make or fill tuples, lists and dicts. */
  #container(op: number): boolean {
    switch (op) {
      case 0x28: // MARK
        return this.#mark(), true;
      case 0x29: // EMPTY_TUPLE
        return this.#pushNew(new PickleTuple([])), true;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.#pushNew(new PickleTuple(this.#popMany(op - 0x84))), true;
      case 0x74: // TUPLE
        return this.#pushNew(new PickleTuple(this.#popMark())), true;
      case 0x5d: // EMPTY_LIST
        return this.#pushNew(new PickleList()), true;
      case 0x7d: // EMPTY_DICT
        return this.#pushNew(new PickleDict()), true;
      case 0x8f: // EMPTY_SET
        return this.#pushNew(new PickleUnread("builtins.set")), true;
      case 0x61: // APPEND
        return this.#append(this.#popMany(1)), true;
      case 0x65: // APPENDS
        return this.#append(this.#popMark()), true;
      case 0x73: // SETITEM
        return this.#setItems(this.#popMany(2)), true;
      case 0x75: // SETITEMS
        return this.#setItems(this.#popMark()), true;
      default:
        return false;
    }
  }

  #global(): PickleValue {
    const key = `${this.#line()} ${this.#line()}`;
    const known = this.#names.globals.get(key);
    if (known) return known;
    const name = key.replace(" ", ".");
    if (this.#names.marksUnknown) return new PickleUnread(name);
    failPickle(
      "RefusedGlobal",
      `its pickle asks for ${quote(name)}, which tensors do not need; ` +
        `nothing was run`,
    );
  }

  #reduce(): void {
    const args = this.#pop();
    const callee = this.#pop();
    if (!(args instanceof PickleTuple)) badPickle("calls without a tuple");
    if (callee instanceof PickleUnread) return this.#push(callee);
    if (!(callee instanceof PickleGlobal) || !callee.make) {
      const what = callee instanceof PickleGlobal
        ? quote(callee.name)
        : "something that is not a function";
      badPickle(`calls ${what}`);
    }
    const made = callee.make(args.items);
    if (made instanceof Uint8Array && (this.#made += made.length) > 4 * this.#bytes.length) {
      badPickle("unpacks to many times its own length");
    }
    this.#pushNew(made);
  }

  /** Drops the attributes of an OrderedDict (a state dict has `_metadata`). */
  #build(): void {
    const state = this.#pop();
    const target = this.#top();
    if (target instanceof PickleUnread) return;
    const harmless = target instanceof PickleDict && target.ordered && state instanceof PickleDict;
    if (!harmless) badPickle("sets attributes of something that is not an OrderedDict");
  }

  #append(items: PickleValue[]): void {
    const list = this.#top();
    if (list instanceof PickleUnread) return;
    if (!(list instanceof PickleList)) badPickle("appends to something that is not a list");
    for (const item of items) list.items.push(item);
  }

  #setItems(items: PickleValue[]): void {
    const dict = this.#top();
    if (dict instanceof PickleUnread) return;
    if (!(dict instanceof PickleDict)) badPickle("sets items of something that is not a dict");
    if (items.length % 2) badPickle("has a key without a value");
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i]!;
      if (key instanceof PickleList || key instanceof PickleDict) {
        badPickle("has a list or a dict as a key");
      }
      if (dict.entries.has(key)) badPickle(`has the key ${quote(String(key))} twice`);
      dict.entries.set(key, items[i + 1]!);
    }
  }

  #recall(index: number): PickleValue {
    const value = this.#memo.get(index);
    if (value === undefined) badPickle("reads a memo that it never stored");
    return value;
  }

  #keep(index: number): void {
    this.#memo.set(index, this.#top());
    if (this.#memo.size > MOST_KEPT) badPickle(`stores too many memos`);
  }

  #push(value: PickleValue): void {
    if (this.#stack.length >= MOST_WAITING) {
      failPickle("BadPickle", "its pickle's stack is too deep");
    }
    this.#stack.push(value);
  }

  #pushNew(value: PickleValue): void {
    if (++this.#containers > MOST_CONTAINERS) {
      badPickle(`has more than ${MOST_CONTAINERS} containers`);
    }
    this.#push(value);
  }

  #mark(): void {
    if (this.#below.length >= DEEPEST_MARK) badPickle(`is nested more than ${DEEPEST_MARK} deep`);
    this.#below.push(this.#stack);
    this.#stack = [];
  }

  #pop(): PickleValue {
    const value = this.#stack.pop();
    if (value === undefined) badPickle("pops an empty stack");
    return value;
  }

  #top(): PickleValue {
    const value = this.#stack.at(-1);
    if (value === undefined) badPickle("reads an empty stack");
    return value;
  }

  #popMany(count: number): PickleValue[] {
    if (this.#stack.length < count) badPickle("pops an empty stack");
    return this.#stack.splice(this.#stack.length - count);
  }

  #popMark(): PickleValue[] {
    const items = this.#stack;
    const below = this.#below.pop();
    if (!below) badPickle("closes a mark that it never opened");
    this.#stack = below;
    return items;
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at) throw new PickleCutOff();
    this.#at = at + count;
    return at;
  }

  #u8(): number {
    return this.#bytes[this.#take(1)]!;
  }

  #u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  #long(length: number): number | bigint {
    const at = this.#take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = value << 8n | BigInt(this.#bytes[at + i]!);
    value = BigInt.asIntN(8 * length, value);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  #text(length: number): string {
    const at = this.#take(length);
    try {
      const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
      return decoder.decode(this.#bytes.subarray(at, at + length));
    } catch {
      badPickle("has text that is not UTF-8");
    }
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    const length = (end < 0 ? this.#bytes.length : end) - this.#at;
    if (length > LONGEST_NAME) badPickle("has a name without an end");
    if (end < 0) throw new PickleCutOff();
    const text = this.#text(length);
    this.#at++;
    return text;
  }
}
