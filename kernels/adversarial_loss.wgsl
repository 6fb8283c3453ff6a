// Joined after fragments: lane.
// What a discriminator's logits cost, with the gradient: -scale l of made pictures for those who make
// them; for the discriminator scale / 2 max(0, 1 - l) of given and max(0, 1 + l) of made pictures.
// One lane per logit, the first of four channels.

override SIDE: u32 = 0u;   // 0 makes pictures, 1 judges given ones, 2 made ones

struct Params {
  count: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<vec4<f32>>;          // [logits, 4]
@group(0) @binding(2) var<storage, read_write> slopes: array<vec4<f32>>;    // [logits, 4]
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;         // [logits]

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let id = item_of(lane, 64u);
  if (id >= params.count) { return; }
  let logit = logits[id].x;
  var value = -params.scale * logit;
  var slope = -params.scale;
  if (SIDE != 0u) {
    let sense = select(0.5, -0.5, SIDE == 1u) * params.scale;
    let margin = 0.5 * params.scale + sense * logit;
    value = max(margin, 0.0);
    slope = select(0.0, sense, margin > 0.0);
  }
  slopes[id] = vec4(slope, 0.0, 0.0, 0.0);
  partial[id] = value;
}
