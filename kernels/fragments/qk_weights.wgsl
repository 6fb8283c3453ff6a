// Weights of the norms of `qk_rotation`.

@group(0) @binding(2) var<storage, read> q_weights: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> k_weights: array<vec4<f32>>;

fn weight(which: u32, j: u32) -> vec4<f32> {
  if (which == 0u) { return q_weights[params.q_weight + j]; }
  return k_weights[params.k_weight + j];
}
