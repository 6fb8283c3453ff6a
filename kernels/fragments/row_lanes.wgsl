// Rows of a training pass among lanes: a workgroup per row, whose lanes share its columns, or ALONE a
// lane per row, which suits software adapters. And the frame of a row.

struct Params {
  rows: u32,
  d: u32,                // width in vec4s
  window_rows: u32,      // of all videos; they come first
  window_tokens: u32,    // per frame
  window_frames: u32,    // of all videos
  context_tokens: u32,   // per frame of long-term context
  stride: u32,           // vec4s per row of the table
  shift: u32,            // where its numbers stand in a row, in vec4s
  scale: u32,
  gate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

override WG: u32 = 64u;
override ALONE: bool = false;

// The row of a lane, which may lie beyond the last one.
fn row_place(group: vec3<u32>, groups: vec3<u32>, lane: u32) -> u32 {
  let place = group.y * groups.x + group.x;
  return select(place, place * WG + lane, ALONE);
}

fn first_column(lane: u32) -> u32 { return select(lane, 0u, ALONE); }

fn column_step() -> u32 { return select(WG, 1u, ALONE); }

fn frame_of(row: u32) -> u32 {
  if (row < params.window_rows) { return row / params.window_tokens; }
  return params.window_frames + (row - params.window_rows) / params.context_tokens;
}
