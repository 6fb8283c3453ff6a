// What eight lanes hold, for all of them: one subgroup is a workgroup. Software adapters load and
// store buffers lane by lane, even where all lanes want the same number; so each number is loaded by
// one lane only. Constants are gathered from textures that serve as memory, which is quicker still.

fn low(x: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(
    subgroupBroadcast(x, 0u), subgroupBroadcast(x, 1u),
    subgroupBroadcast(x, 2u), subgroupBroadcast(x, 3u),
  );
}

fn high(x: vec4<f32>) -> mat4x4<f32> {
  return mat4x4(
    subgroupBroadcast(x, 4u), subgroupBroadcast(x, 5u),
    subgroupBroadcast(x, 6u), subgroupBroadcast(x, 7u),
  );
}
