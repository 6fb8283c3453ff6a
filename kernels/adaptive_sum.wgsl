// Joined after fragments: lane.
// dy += w dg and results[slot] += w g, where w = weight clamp(|r| / (|a| + eps), 0, 10,000) makes the
// gradient of an adversarial loss g as large as that of a reconstruction, both by the norms of what
// they say of a layer. One lane per vec4.

struct Params {
  count: u32,      // vec4s
  weight: f32,
  eps: f32,
  slot: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sums: array<f32>;               // g, |r|^2, |a|^2
@group(0) @binding(2) var<storage, read> dg: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> dy: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> results: array<f32>;

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let ratio = sqrt(sums[1]) / (sqrt(sums[2]) + params.eps);
  let w = params.weight * clamp(ratio, 0.0, 10000.0);
  dy[id] += w * dg[id];
  if (id == 0u) { results[params.slot] += w * sums[0]; }
}
