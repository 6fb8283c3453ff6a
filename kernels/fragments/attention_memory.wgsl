// The eight lanes of attention_lanes.wgsl add up their scores through workgroup memory: each adds
// two of the sixteen, then reads all.

var<workgroup> scores: array<array<vec2<f32>, 64>, 8>;

fn add_lanes(partial: mat4x4<f32>, lane: u32) -> mat4x4<f32> {
  let eight = lane - lane % 8u;
  workgroupBarrier();
  scores[0][lane] = partial[0].xy; scores[1][lane] = partial[0].zw;
  scores[2][lane] = partial[1].xy; scores[3][lane] = partial[1].zw;
  scores[4][lane] = partial[2].xy; scores[5][lane] = partial[2].zw;
  scores[6][lane] = partial[3].xy; scores[7][lane] = partial[3].zw;
  workgroupBarrier();
  let n = lane % 8u;
  let sum = ((scores[n][eight] + scores[n][eight + 1u]) +
    (scores[n][eight + 2u] + scores[n][eight + 3u])) +
    ((scores[n][eight + 4u] + scores[n][eight + 5u]) +
    (scores[n][eight + 6u] + scores[n][eight + 7u]));
  workgroupBarrier();
  scores[0][lane] = sum;
  workgroupBarrier();
  return mat4x4(
    vec4(scores[0][eight], scores[0][eight + 1u]),
    vec4(scores[0][eight + 2u], scores[0][eight + 3u]),
    vec4(scores[0][eight + 4u], scores[0][eight + 5u]),
    vec4(scores[0][eight + 6u], scores[0][eight + 7u]),
  );
}
