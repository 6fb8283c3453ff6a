// The eight lanes of attention_lanes.wgsl add up their scores within a subgroup.

fn add_lanes(partial: mat4x4<f32>, lane: u32) -> mat4x4<f32> {
  return mat4x4(
    add_eight(partial[0]), add_eight(partial[1]), add_eight(partial[2]), add_eight(partial[3]),
  );
}

fn add_eight(x: vec4<f32>) -> vec4<f32> {
  let two = x + subgroupShuffleXor(x, 1u);
  let four = two + subgroupShuffleXor(two, 2u);
  return four + subgroupShuffleXor(four, 4u);
}
