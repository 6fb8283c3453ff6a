// Shared by the forms of attention for training: the layout of tokens, and a head's 64 numbers as
// matrices.

override WG: u32 = 64u;
override SLOPE: bool = false;
// Eight lanes, one subgroup, load a row together and pass it on: software adapters load lane by
// lane, even if all lanes need the same numbers.
override BROADCAST: bool = false;
// Each lane computes two tokens, WG apart, from what is loaded once.
override PAIR: bool = false;
// The window's frames come twice: first clean, then noisy. A noisy frame sees itself and what is clean
// before it; clean frames see no noise.
override TWINS: bool = false;

struct Params {
  videos: u32,
  heads: u32,
  context_frames: u32,   // per video
  context_tokens: u32,   // per frame
  window_frames: u32,    // with twins: all of them
  window_tokens: u32,
  first_frame: u32,      // frames of a video in this dispatch
  frames: u32,
  tokens: u32,           // per frame of these
  slope: f32,            // bias of scores per frame of distance: slope (frame_k - frame_q)
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qk: array<vec4<f32>>;    // [R, 2 d], rotated
@group(0) @binding(2) var<storage, read> qkv: array<vec4<f32>>;   // [R, 3 d]

// Tokens of a video's long-term context, which begins its sequence.
fn context_size() -> u32 { return params.context_frames * params.context_tokens; }

// The row of token `s` of a video's sequence; rows of the windows of all videos come first.
fn row_of(video: u32, s: u32) -> u32 {
  let context = context_size();
  let window = params.window_frames * params.window_tokens;
  if (s < context) { return params.videos * window + video * context + s; }
  return video * window + s - context;
}

// First token of a frame in a video's sequence.
fn start_of(frame: u32) -> u32 {
  if (frame <= params.context_frames) { return frame * params.context_tokens; }
  return context_size() + (frame - params.context_frames) * params.window_tokens;
}

fn twins() -> u32 { return params.window_frames / 2u; }

fn first_noisy() -> u32 { return params.context_frames + twins(); }

fn is_noisy(frame: u32) -> bool { return TWINS && frame >= first_noisy(); }

// A frame's time in the video.
fn time_of(frame: u32) -> f32 { return f32(select(frame, frame - twins(), is_noisy(frame))); }

fn time_at(s: u32) -> f32 {
  let context = context_size();
  if (s < context) { return f32(s / params.context_tokens); }
  return time_of(params.context_frames + (s - context) / params.window_tokens);
}

// Two runs of tokens of a sequence: [start, pause) and [resume, end).
struct Runs { start: u32, pause: u32, resume: u32, end: u32 }

// The keys that a frame's queries see.
fn keys_of(frame: u32) -> Runs {
  let own = start_of(frame);
  var before = own;
  if (is_noisy(frame)) { before = start_of(frame - twins()); }
  return Runs(0u, before, own, start_of(frame + 1u));
}

// The queries that see a frame's keys.
fn queries_of(frame: u32) -> Runs {
  let own = start_of(frame);
  if (is_noisy(frame)) { return Runs(own, own, own, start_of(frame + 1u)); }
  let end = start_of(params.context_frames + params.window_frames);
  if (!TWINS) { return Runs(own, own, own, end); }
  let noisy = start_of(first_noisy());
  return Runs(own, noisy, max(noisy, start_of(frame + twins() + 1u)), end);
}

fn holds(runs: Runs, s: u32) -> bool {
  return s >= runs.start && s < runs.end && (!TWINS || s < runs.pause || s >= runs.resume);
}

// All tokens of both, and perhaps others.
fn union_of(a: Runs, b: Runs) -> Runs {
  let pause = max(a.pause, b.pause);
  let resume = min(a.resume, b.resume);
  return Runs(min(a.start, b.start), pause, max(pause, resume), max(a.end, b.end));
}

// The first token of runs from the s-th on, if that is none between them.
fn from_token(s: u32, runs: Runs) -> u32 {
  if (TWINS && s == runs.pause) { return runs.resume; }
  return s;
}

// A lane's token: its number among those of the dispatch, its frame and its row. Lanes beyond the last
// token compute it again.
struct Token { number: u32, frame: u32, row: u32, }

fn token_at(video: u32, wanted: u32) -> Token {
  let number = min(wanted, params.frames * params.tokens - 1u);
  let frame = params.first_frame + number / params.tokens;
  return Token(number, frame, row_of(video, start_of(params.first_frame) + number));
}

// First of the tokens of a workgroup.
fn first_token(group: u32) -> u32 { return group * select(WG, 2u * WG, PAIR); }

fn last_token(group: u32) -> u32 {
  return min(first_token(group + 1u), params.frames * params.tokens) - 1u;
}

// The keys that queries of a workgroup see.
fn keys_of_group(video: u32, group: u32) -> Runs {
  let first = token_at(video, first_token(group));
  let last = token_at(video, last_token(group));
  return union_of(keys_of(first.frame), keys_of(last.frame));
}

fn from_qk(i: u32) -> mat4x4<f32> {
  return mat4x4(qk[i], qk[i + 1u], qk[i + 2u], qk[i + 3u]);
}

fn from_qkv(i: u32) -> mat4x4<f32> {
  return mat4x4(qkv[i], qkv[i + 1u], qkv[i + 2u], qkv[i + 3u]);
}

fn dots(a: mat4x4<f32>, b: mat4x4<f32>) -> f32 {
  let sum = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
  return dot(sum, vec4(1.0));
}

// The product of two heads' 64 numbers.
fn product(
  a0: mat4x4<f32>, a1: mat4x4<f32>, a2: mat4x4<f32>, a3: mat4x4<f32>,
  b0: mat4x4<f32>, b1: mat4x4<f32>, b2: mat4x4<f32>, b3: mat4x4<f32>,
) -> f32 {
  return dots(a0, b0) + dots(a1, b1) + dots(a2, b2) + dots(a3, b3);
}
