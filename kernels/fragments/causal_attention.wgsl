// Shared by the forms of attention for training: the layout of tokens, and a head's 64 numbers as
// matrices.

override WG: u32 = 64u;
override SLOPE: bool = false;
// Eight lanes, one subgroup, load a row together and pass it on: software adapters load lane by
// lane, even if all lanes need the same numbers.
override BROADCAST: bool = false;
// Each lane computes two tokens, WG apart, from what is loaded once.
override PAIR: bool = false;

struct Params {
  videos: u32,
  heads: u32,
  context_frames: u32,   // per video
  context_tokens: u32,   // per frame
  window_frames: u32,
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

fn frame_at(s: u32) -> f32 {
  let context = context_size();
  if (s < context) { return f32(s / params.context_tokens); }
  return f32(params.context_frames + (s - context) / params.window_tokens);
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
