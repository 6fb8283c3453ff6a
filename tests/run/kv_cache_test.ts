import assert from "node:assert/strict";
import { type CacheSizes, KvCache, type PassPlan } from "../../run/kv_cache.ts";

const BASE: CacheSizes = {
  window: Infinity,
  contextTokens: 0,
  windowTokens: 4,
  contextCapacity: 0,
  windowCapacity: 100,
  passFrames: { window: 16, context: 64 },
  enabled: true,
};
const LONG: CacheSizes = {
  ...BASE,
  window: 4,
  contextTokens: 1,
  contextCapacity: 20,
  windowCapacity: 4,
};

/** What the slots would hold, and checks of each pass against it. */
class Slots {
  readonly cache: KvCache;
  readonly #sizes: CacheSizes;
  readonly #held = new Map<number, string>();

  constructor(sizes: CacheSizes) {
    this.#sizes = sizes;
    this.cache = new KvCache(sizes);
  }

  /** Plays one model call; every pass must find, in order, the keys it says it sees. */
  call(frame: number, first: boolean): PassPlan[] {
    const plans = this.cache.passes(frame, first);
    for (const plan of plans) {
      this.#write(plan);
      for (const [i, own] of plan.frames.entries()) this.#checkSeen(plan, own, plan.keys[i]!);
    }
    return plans;
  }

  #write({ kind, frames, slots }: PassPlan): void {
    const tokens = kind === "context" ? this.#sizes.contextTokens : this.#sizes.windowTokens;
    for (const [i, frame] of frames.entries()) {
      for (let j = 0; j < tokens; j++) {
        const slot = slots[i]! + j;
        assert.ok(slot < this.cache.slots, `slot ${slot} of ${this.cache.slots}`);
        this.#held.set(slot, `${kind} ${frame} ${j}`);
      }
    }
  }

  #checkSeen({ state, kind }: PassPlan, own: number, keys: number): void {
    const { contextTokens, windowTokens } = this.#sizes;
    const seen = Array.from({ length: keys }, (_, i) => this.#held.get(this.#slotOf(state, i)));
    const wanted: string[] = [];
    const contextEnd = kind === "context" ? own + 1 : state.contextFrame + state.contextKeys;
    for (let f = state.contextFrame; f < contextEnd && wanted.length < keys; f++) {
      for (let j = 0; j < contextTokens; j++) wanted.push(`context ${f} ${j}`);
    }
    if (kind === "window") {
      for (let f = state.windowFrame; f <= own; f++) {
        for (let j = 0; j < windowTokens; j++) wanted.push(`window ${f} ${j}`);
      }
    }
    assert.deepEqual(seen, wanted, `frame ${own} sees other keys`);
  }

  /** As the attention kernel finds a key. */
  #slotOf(state: PassPlan["state"], i: number): number {
    if (i < state.contextKeys) return (state.contextStart + i) % state.contextSlots;
    const at = state.windowStart + i - state.contextKeys;
    return this.cache.windowSlot + at % state.windowSlots;
  }
}

function framesOf(plans: PassPlan[]): [string, readonly number[], boolean][] {
  return plans.map(({ kind, frames, final }) => [kind, frames, final]);
}

Deno.test("KvCache without a window encodes each clean frame once", () => {
  const slots = new Slots(BASE);
  assert.deepEqual(framesOf(slots.call(3, true)), [["window", [0, 1, 2, 3], true]]);
  assert.deepEqual(framesOf(slots.call(3, false)), [["window", [3], true]]);
  assert.deepEqual(framesOf(slots.call(4, true)), [["window", [3, 4], true]]);
  assert.deepEqual(framesOf(slots.call(4, false)), [["window", [4], true]]);
});

Deno.test("KvCache starts from nothing", () => {
  const slots = new Slots(BASE);
  const [plan] = slots.call(0, true);
  assert.deepEqual(plan!.frames, [0]);
  assert.deepEqual(plan!.keys, [4]);
  assert.deepEqual(plan!.slots, [0]);
});

Deno.test("KvCache fills in chunks, and only the last one is final", () => {
  const slots = new Slots({ ...BASE, passFrames: { window: 3, context: 2 } });
  assert.deepEqual(framesOf(slots.call(7, true)), [
    ["window", [0, 1, 2], false],
    ["window", [3, 4, 5], false],
    ["window", [6, 7], true],
  ]);
});

Deno.test("KvCache below and at the window works as without one", () => {
  const slots = new Slots(LONG);
  assert.deepEqual(framesOf(slots.call(2, true)), [["window", [0, 1, 2], true]]);
  assert.deepEqual(framesOf(slots.call(3, true)), [["window", [2, 3], true]]);
  assert.deepEqual(framesOf(slots.call(3, false)), [["window", [3], true]]);
});

Deno.test("KvCache above the window encodes what leaves it once, and the window again", () => {
  const slots = new Slots(LONG);
  slots.call(3, true);
  assert.deepEqual(framesOf(slots.call(4, true)), [
    ["context", [0], false],
    ["window", [1, 2, 3, 4], true],
  ]);
  assert.deepEqual(framesOf(slots.call(4, false)), [["window", [4], true]]);
  assert.deepEqual(framesOf(slots.call(5, true)), [
    ["context", [1], false],
    ["window", [2, 3, 4, 5], true],
  ]);
});

Deno.test("KvCache that reuses its window encodes each frame once at full resolution", () => {
  const slots = new Slots({ ...LONG, reusesWindow: true });
  slots.call(3, true);
  assert.deepEqual(framesOf(slots.call(4, true)), [
    ["context", [0], false],
    ["window", [3, 4], true],
  ]);
  assert.deepEqual(framesOf(slots.call(4, false)), [["window", [4], true]]);
  for (let frame = 5; frame < 30; frame++) {
    for (const first of [true, false, false]) {
      const plans = slots.call(frame, first); // checks the keys that each sees
      const window = first ? [frame - 1, frame] : [frame];
      assert.deepEqual(plans.at(-1)!.frames, window);
      assert.equal(plans.length, first ? 2 : 1);
    }
  }
});

Deno.test("KvCache that reuses its window fills it where it begins beyond", () => {
  const slots = new Slots({ ...LONG, reusesWindow: true });
  assert.deepEqual(framesOf(slots.call(9, true)), [
    ["context", [0, 1, 2, 3, 4, 5], false],
    ["window", [6, 7, 8, 9], true],
  ]);
  assert.deepEqual(framesOf(slots.call(10, true)), [
    ["context", [6], false],
    ["window", [9, 10], true],
  ]);
});

Deno.test("KvCache takes a long prefill into context, in chunks", () => {
  const slots = new Slots({ ...LONG, passFrames: { window: 3, context: 5 } });
  assert.deepEqual(framesOf(slots.call(12, true)), [
    ["context", [0, 1, 2, 3, 4], false],
    ["context", [5, 6, 7, 8], false],
    ["window", [9, 10, 11], false],
    ["window", [12], true],
  ]);
});

Deno.test("KvCache sees long-term keys and window keys from frame to frame", () => {
  const slots = new Slots(LONG);
  for (let frame = 2; frame < 20; frame++) {
    for (const first of [true, false, false]) {
      const plan = slots.call(frame, first).at(-1)!;
      const context = Math.max(0, frame - 3);
      assert.equal(plan.keys.at(-1), context + Math.min(frame + 1, 4) * 4);
      assert.equal(plan.state.contextKeys, context);
      assert.equal(plan.state.windowFrame, context);
      assert.ok(plan.final);
    }
  }
});

Deno.test("KvCache that is disabled recomputes every frame at every call", () => {
  const slots = new Slots({ ...LONG, enabled: false });
  for (const first of [true, false]) {
    assert.deepEqual(framesOf(slots.call(6, first)), [
      ["context", [0, 1, 2], false],
      ["window", [3, 4, 5, 6], true],
    ]);
  }
  assert.deepEqual(framesOf(new Slots({ ...BASE, enabled: false }).call(1, false)), [
    ["window", [0, 1], true],
  ]);
});

Deno.test("KvCache of bounded memory drops the oldest frame", () => {
  const slots = new Slots({ ...BASE, windowCapacity: 5 });
  for (let frame = 1; frame < 30; frame++) {
    for (const first of [true, false]) {
      const plan = slots.call(frame, first).at(-1)!;
      assert.equal(plan.state.windowFrame, Math.max(0, frame - 4));
      // the clean frame before the noisy one sees one frame less of the same window
      assert.equal(plan.keys.at(-1), Math.min(frame + 1, 5) * 4);
    }
  }
});

Deno.test("KvCache of bounded memory drops the oldest long-term frame", () => {
  const slots = new Slots({ ...LONG, contextCapacity: 3 });
  for (let frame = 1; frame < 30; frame++) {
    for (const first of [true, false]) {
      const { state } = slots.call(frame, first).at(-1)!;
      assert.equal(state.contextKeys, Math.min(3, Math.max(0, frame - 3)));
      assert.equal(state.contextFrame, Math.max(0, frame - 6));
    }
  }
});

Deno.test("KvCache of bounded memory skips what it could not keep of a long prefill", () => {
  const base = new Slots({ ...BASE, windowCapacity: 5 });
  assert.deepEqual(framesOf(base.call(20, true)), [["window", [16, 17, 18, 19, 20], true]]);
  base.call(21, true);
  const long = new Slots({
    ...LONG,
    contextCapacity: 3,
    passFrames: { window: 16, context: 2 },
  });
  assert.deepEqual(framesOf(long.call(20, true)), [
    ["context", [14, 15], false],
    ["context", [16], false],
    ["window", [17, 18, 19, 20], true],
  ]);
  assert.equal(long.call(20, false)[0]!.state.contextFrame, 14);
  for (let frame = 21; frame < 26; frame++) {
    assert.equal(long.call(frame, true).at(-1)!.state.contextFrame, frame - 6);
  }
});

Deno.test("KvCache with less room than a window has a shorter window", () => {
  const slots = new Slots({ ...LONG, windowCapacity: 2, contextCapacity: 3 });
  for (let frame = 0; frame < 12; frame++) {
    for (const first of [true, false]) {
      const { state, keys } = slots.call(frame, first).at(-1)!;
      assert.equal(state.contextKeys, Math.min(3, Math.max(0, frame - 1)));
      assert.equal(keys.at(-1), state.contextKeys + Math.min(frame + 1, 2) * 4);
    }
  }
});

Deno.test("KvCache has exactly the slots that its regions need", () => {
  assert.equal(new KvCache(BASE).slots, 400);
  assert.equal(new KvCache(BASE).windowSlot, 0);
  assert.equal(new KvCache(LONG).slots, 20 + 16);
  assert.equal(new KvCache(LONG).windowSlot, 20);
});
