// y = epilogue(x W + bias). A workgroup computes 32 rows by 32 columns with 64 lanes of 4 rows by 4
// columns; a tile of x goes through workgroup memory, weights come straight from memory, 128 bytes
// a k. Where the tiles alone leave a GPU idle, SLICES > 1 times 64 lanes share the k of a tile.

override SLICES: u32 = 1u;

const TILE_K4 = 4u;               // vec4s of a row of x in workgroup memory
const TILE = 32u * TILE_K4;       // and vec4s of the tile

@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;       // [N / 32, K, 32]

fn packed(i: u32) -> vec4<u32> { return w[i]; }

// The slices' tiles of x; then, 256 vec4s, sums of one slice for another.
var<workgroup> shared_x: array<vec4<f32>, SLICES * TILE>;

// x outside the matrix is 0, so that what else is read there doesn't count.
fn activation(row: u32, k4: u32) -> vec4<f32> {
  let inside = row < params.m && k4 < params.k / 4u;
  return select(vec4(0.0), x[min(row, params.m - 1u) * (params.k / 4u) + k4], inside);
}

fn store_inside(row: u32, column4: u32, sum: vec4<f32>) {
  if (row < params.m && column4 * 4u < params.n) { store(row, column4, sum); }
}

@compute @workgroup_size(64u * SLICES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
  let slice = index / 64u;
  let lane = index % 64u;
  let column = lane % 8u;
  let row = lane / 8u * 4u;
  let tile = slice * TILE;
  let k4s = params.k / 4u;
  let steps = (k4s + SLICES * TILE_K4 - 1u) / (SLICES * TILE_K4);
  var k = slice * steps * TILE_K4;
  var a = mat4x4<f32>();
  for (var step = 0u; step < steps; step++) {
    let place = vec2(group.y * 32u + lane / TILE_K4, k + lane % TILE_K4);
    shared_x[tile + lane] = activation(place.x, place.y);
    shared_x[tile + 64u + lane] = activation(place.x + 16u, place.y);
    workgroupBarrier();
    let own = tile + row * TILE_K4;
    for (var j = 0u; j < TILE_K4; j++) {
      let k4 = min(k + j, k4s - 1u);
      let t = weights((group.x * k4s + k4) * select(32u, 16u, F16) + column);
      a += t * mat4x4(
        shared_x[own + j], shared_x[own + TILE_K4 + j],
        shared_x[own + 2u * TILE_K4 + j], shared_x[own + 3u * TILE_K4 + j],
      );
    }
    workgroupBarrier();
    k += TILE_K4;
  }
  for (var other = SLICES - 1u; other > 0u; other--) {
    if (slice == other) {
      shared_x[lane] = a[0]; shared_x[lane + 64u] = a[1];
      shared_x[lane + 128u] = a[2]; shared_x[lane + 192u] = a[3];
    }
    workgroupBarrier();
    if (slice == 0u) {
      a += mat4x4(
        shared_x[lane], shared_x[lane + 64u], shared_x[lane + 128u], shared_x[lane + 192u],
      );
    }
    workgroupBarrier();
  }
  if (slice > 0u) { return; }
  let first = group.y * 32u + row;
  let column4 = group.x * 8u + column;
  store_inside(first, column4, a[0]); store_inside(first + 1u, column4, a[1]);
  store_inside(first + 2u, column4, a[2]); store_inside(first + 3u, column4, a[3]);
}
