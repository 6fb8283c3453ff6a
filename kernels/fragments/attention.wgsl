// What both forms of `attention` are given: out = softmax(q k^T + slope * (frame_k - frame_q)) v
// over the first keys of a frame, long-term context first, then the window (frame-causal, no mask).
// q is already scaled. With SPLIT > 1 each workgroup takes a share of the keys and leaves partial
// results: 17 vec4s a query and head, 16 of values, then (maximum, total).

override F16: bool = false;    // caches of half floats
override SPLIT: u32 = 1u;
override SLOPE: bool = false;

struct Params {
  queries: u32,          // queries per video (frames * tokens)
  tokens: u32,           // queries per frame
  heads: u32,
  slots: u32,            // cache slots per head
  window: u32,           // first slot of the window region
  context_tokens: u32,   // keys per long-term frame
  window_tokens: u32,    // keys per window frame
  slope: f32,
  vec4s: u32,            // 16 a head; a parameter, so that compilers do not unroll loops
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> q: array<vec4<f32>>;         // [B, queries, d]
@group(0) @binding(5) var<storage, read> frames: array<Frame>;         // [B, F]
@group(0) @binding(6) var<storage, read_write> out: array<vec4<f32>>; // [B, queries, d] or partial

struct Octet { lo: vec4<f32>, hi: vec4<f32>, }

fn from_half(p: vec4<u32>) -> Octet {
  return Octet(
    vec4(unpack2x16float(p.x), unpack2x16float(p.y)),
    vec4(unpack2x16float(p.z), unpack2x16float(p.w)),
  );
}

// Eight dims of a key; `i` counts octets of the cache, which is read 16 bytes at a time.
fn key(i: u32) -> Octet {
  if (F16) { return from_half(key16(i)); }
  return Octet(bitcast<vec4<f32>>(key16(2u * i)), bitcast<vec4<f32>>(key16(2u * i + 1u)));
}

fn value(i: u32) -> Octet {
  if (F16) { return from_half(value16(i)); }
  return Octet(bitcast<vec4<f32>>(value16(2u * i)), bitcast<vec4<f32>>(value16(2u * i + 1u)));
}

// Layout of logical keys in the cache. A copy, since GPUs wait for uniforms at each read.
struct Regions {
  keys: u32,      // keys in the long-term region
  start: vec2<u32>,   // offset of a key's index, by region (wrapping): context, window
  slots: vec2<u32>,   // size of the regions, which are rings
  window: u32,
}

fn regions() -> Regions {
  return Regions(
    step.context_keys,
    vec2(step.context_start, step.window_start - step.context_keys),
    vec2(step.context_slots, step.window_slots),
    params.window,
  );
}

// Cache slot of a logical key, without a branch.
fn slot_of(r: Regions, i: u32) -> u32 {
  let in_window = i >= r.keys;
  let slot = i + select(r.start.x, r.start.y, in_window);
  let slots = select(r.slots.x, r.slots.y, in_window);
  return select(0u, r.window, in_window) + select(slot, slot - slots, slot >= slots);
}

fn frame_of(i: u32) -> f32 {
  if (i >= step.context_keys) {
    return f32(step.window_frame + (i - step.context_keys) / params.window_tokens);
  }
  return f32(step.context_frame + i / params.context_tokens);
}

// The keys of a workgroup: a share of those that its last query attends to, in whole eights.
struct Share { first: u32, end: u32, }

fn share_of(video: u32, last: u32, part: u32) -> Share {
  let frame = min(last, params.queries - 1u) / params.tokens;
  let keys = frames[video * (params.queries / params.tokens) + frame].keys;
  let share = (keys + 8u * SPLIT - 1u) / (8u * SPLIT) * 8u;
  return Share(min(part * share, keys), min(part * share + share, keys));
}

// A query and head: its row in q and in the result, its frame, and its number of keys.
struct Query { row: u32, valid: bool, frame: f32, keys: u32, }

fn query_of(video: u32, query: u32, head: u32) -> Query {
  let own = min(query, params.queries - 1u);
  let mine = frames[video * (params.queries / params.tokens) + own / params.tokens];
  let row = (video * params.queries + own) * params.heads + head;
  return Query(row, query < params.queries, f32(mine.index), mine.keys);
}
