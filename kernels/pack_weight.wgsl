// packed[k, offset + n] = source[n, k]: a weight as files store it ([N, K], or a convolution's
// [N, K / taps, taps]) to the matmul's [K, N] with k = tap * (K / taps) + channel, in f32 or f16,
// in rows or in blocks of 32 columns. One lane writes two neighbouring columns. Integer arithmetic
// only: exact, also for subnormals.

override SOURCE: u32 = 0u;      // 0 f32, 1 f16, 2 bf16
override F16: bool = false;     // what is written
override BLOCKED: bool = true;  // [N / 32, K, 32], else [K, stride]

struct Params {
  n: u32,          // rows of the source
  k: u32,          // columns of the source
  taps: u32,
  channels: u32,   // rows of packed per tap (K / taps, padded)
  stride: u32,     // columns of packed in rows
  offset: u32,     // first column, even
  width: u32,      // workgroups in x
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<u32>;
@group(0) @binding(2) var<storage, read_write> packed: array<u32>;

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

// The half float nearest to an f32, ties to even; beyond 65504 infinity.
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

// f32 bits of source[n, k]; zero outside.
fn element(n: u32, k: u32) -> u32 {
  let tap = k / params.channels;
  let channel = k % params.channels;
  let channels = params.k / params.taps;
  if (n >= params.n || channel >= channels) { return 0u; }
  let i = n * params.k + channel * params.taps + tap;
  if (SOURCE == 0u) { return source[i]; }
  let bits = (source[i / 2u] >> (16u * (i & 1u))) & 0xffffu;
  if (SOURCE == 2u) { return bits << 16u; }
  return half_bits(bits);
}

// Where packed[k, column] lies. A lane of the matmul takes four columns: in f16 those of two k are
// neighbours, so that it reads 16 bytes either way.
fn place(k: u32, column: u32) -> u32 {
  if (!BLOCKED) { return k * params.stride + column; }
  let block = column / 32u * params.channels * params.taps;
  let c = column % 32u;
  if (F16) { return (block + (k & ~1u)) * 32u + c / 4u * 8u + (k & 1u) * 4u + c % 4u; }
  return (block + k) * 32u + c;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let pair = (group.y * params.width + group.x) * 64u + lane;
  let pairs = (params.n + 1u) / 2u;
  let n = (pair % pairs) * 2u;
  let k = pair / pairs;
  if (k >= params.channels * params.taps) { return; }
  let a = element(n, k);
  let b = element(n + 1u, k);
  let i = place(k, params.offset + n);
  if (F16) {
    packed[i / 2u] = to_half(a) | (to_half(b) << 16u);
  } else {
    packed[i] = a;
    packed[i + 1u] = b;
  }
}
