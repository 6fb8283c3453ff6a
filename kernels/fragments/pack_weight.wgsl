// What both forms of `pack_weight` are given. packed[k, offset + n] = source[n, k]: a weight as files
// store it ([N, K], or a convolution's [N, inputs, taps]) to the matmul's [K, N] with
// k = tap * (K / taps) + channel, in f32 or f16, in rows or in blocks of 32 columns. Transposed, the
// source is [K / taps, N, taps] with its taps backwards: what leads a convolution's gradient back. A
// lane packs pieces of 16 bytes. Integer arithmetic only: exact, also for subnormals.

override SOURCE: u32 = 0u;      // 0 f32, 1 f16, 2 bf16
override F16: bool = false;     // type to write
override BLOCKED: bool = true;  // [N / 32, K, 32], else [K, stride]

struct Params {
  n: u32,          // rows of the source
  inputs: u32,     // K / taps
  taps: u32,
  channels: u32,   // rows of packed per tap: inputs, padded to 4
  stride: u32,     // columns of packed in rows
  offset: u32,     // first column, a multiple of a piece's
  depth: u32,      // pieces of a lane, one after the other: neighbours in the source
  first: u32,      // start in the source, in elements
  transposed: u32,
  row: u32,        // first row of packed, for joined layers
  rows: u32,       // total number of rows
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<u32>;

// Bits of the f32 that a half float stands for.
fn half_bits(h: u32) -> u32 {
  let sign = (h & 0x8000u) << 16u;
  let exponent = (h >> 10u) & 31u;
  let mantissa = h & 0x3ffu;
  if (exponent == 31u) { return sign | 0x7f800000u | (mantissa << 13u); }
  if (exponent > 0u) { return sign | ((exponent + 112u) << 23u) | (mantissa << 13u); }
  if (mantissa == 0u) { return sign; }
  let shift = countLeadingZeros(mantissa) - 21u;
  return sign | ((113u - shift) << 23u) | (((mantissa << shift) & 0x3ffu) << 13u);
}

// The half float nearest to an f32, ties to even; infinity beyond 65504.
fn to_half(bits: u32) -> u32 {
  let sign = (bits >> 16u) & 0x8000u;
  let magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) { return sign | 0x7e00u; }
  if (magnitude >= 0x477ff000u) { return sign | 0x7c00u; }
  if (magnitude < 0x33000000u) { return sign; }
  var shift = 13u;
  var value = magnitude - 0x38000000u;
  if (magnitude < 0x38800000u) {
    shift = 126u - (magnitude >> 23u);
    value = (magnitude & 0x7fffffu) | 0x800000u;
  }
  let rest = value & ((1u << shift) - 1u);
  let half = 1u << (shift - 1u);
  let rounded = value >> shift;
  return sign | (rounded + u32(rest > half || (rest == half && (rounded & 1u) == 1u)));
}

// f32 bits of source[n, channel, tap]; zero outside.
fn element(n: u32, channel: u32, tap: u32) -> u32 {
  if (n >= params.n || channel >= params.inputs) { return 0u; }
  var i = (n * params.inputs + channel) * params.taps + tap;
  if (params.transposed != 0u) {
    i = (channel * params.n + n + 1u) * params.taps - 1u - tap;
  }
  i += params.first;
  if (SOURCE == 0u) { return source[i]; }
  let bits = (source[i / 2u] >> (16u * (i & 1u))) & 0xffffu;
  if (SOURCE == 2u) { return bits << 16u; }
  return half_bits(bits);
}

// Two neighbouring columns as half floats.
fn pair(n: u32, channel: u32, tap: u32) -> u32 {
  return to_half(element(n, channel, tap)) | (to_half(element(n + 1u, channel, tap)) << 16u);
}

// A piece of 16 bytes: its position, in pieces, and its contents.
struct Piece { valid: bool, at: u32, words: vec4<u32>, }

// In blocks of f32 four columns of a k, in blocks of f16 four of two: a lane of the matmul reads 16
// bytes either way. In rows four or eight columns of a k.
fn piece(i: u32, j: u32) -> Piece {
  let paired = F16 && BLOCKED;
  let columns = select(4u, 8u, F16 && !BLOCKED);
  let n = i * columns;
  let k = j * select(1u, 2u, paired);
  let rows = params.channels * params.taps;
  if (n >= params.n || k >= rows) { return Piece(false, 0u, vec4(0u)); }
  let tap = quotient(k, params.channels);
  let c = k - tap * params.channels;
  var words = vec4(
    element(n, c, tap), element(n + 1u, c, tap), element(n + 2u, c, tap), element(n + 3u, c, tap),
  );
  if (F16) {
    let next = select(vec2(n + 4u, c), vec2(n, c + 1u), BLOCKED);
    words = vec4(
      pair(n, c, tap), pair(n + 2u, c, tap),
      pair(next.x, next.y, tap), pair(next.x + 2u, next.y, tap),
    );
  }
  let column = params.offset + n;
  let to = params.row + k;
  let in_block = (column / 32u * params.rows + to) / select(1u, 2u, paired) * 8u + column % 32u / 4u;
  return Piece(true, select((to * params.stride + column) / columns, in_block, BLOCKED), words);
}
