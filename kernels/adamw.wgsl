// Joined after fragments: lane.
// One AdamW step with clipping by the norm of all gradients and, with EMA, an average of the weights:
//   g *= min(1, clip / (norm + 1e-6));  p *= 1 - lr wd;  m += (1 - b1)(g - m);
//   s = b2 s + (1 - b2) g g;  p -= lr / (1 - b1^k) m / (sqrt(s) / sqrt(1 - b2^k) + eps);
//   ema = decay ema + (1 - decay) p
// The gradient is zeroed for the next step. Where the norm is not finite nothing else changes.
// One lane per vec4. Source: torch.optim.AdamW and the released `EMAModel`.

struct Params { count: u32, }   // vec4s

struct Step {
  clip: f32,
  inverse_scale: f32,        // of the loss
  decay: f32,                // 1 - lr wd
  one_minus_beta1: f32,
  beta2: f32,
  one_minus_beta2: f32,
  step_size: f32,            // lr / (1 - b1^k)
  correction: f32,           // sqrt(1 - b2^k)
  eps: f32,
  ema: f32,
  one_minus_ema: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> results: array<f32>;              // .[1] = squares
@group(0) @binding(3) var<storage, read_write> gradient: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> weight: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> moment: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> square: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> shadow: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(lane: Lane) {
  let i = item_of(lane, 64u);
  if (i >= params.count) { return; }
  let squares = results[1];
  let raw = gradient[i];
  gradient[i] = vec4(0.0);
  // infinity and NaN have all bits of the exponent set; comparisons of NaN may be optimised away
  if ((bitcast<u32>(squares) & 0x7f800000u) == 0x7f800000u) { return; }
  let norm = sqrt(squares) * step.inverse_scale;
  let g = raw * (step.inverse_scale * min(1.0, step.clip / (norm + 1e-6)));
  let before = moment[i];
  let m = before + step.one_minus_beta1 * (g - before);
  let s = square[i] * step.beta2 + step.one_minus_beta2 * g * g;
  let p = weight[i] * step.decay - step.step_size * m / (sqrt(s) / step.correction + step.eps);
  moment[i] = m;
  square[i] = s;
  weight[i] = p;
  shadow[i] = step.ema * shadow[i] + step.one_minus_ema * p;
}
