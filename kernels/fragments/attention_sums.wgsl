// sums[d, :] = sum_n relu(part_n[d]) columns_n, over the tokens n of a group of 3 D channels (D query, D
// key and D value ones). The kernel says which PART (0 queries, 1 keys) and which `columns`: those of
// D, and one more, whose sums lie side by side for four rows.

struct Params {
  count: u32,    // lanes: B G (D / 4) (D / 4 + 1)
  tokens: u32,   // h w
  groups: u32,   // G, per token
  dim: u32,      // D, a multiple of 4
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>; // [B, tokens, G, 3 D]

// Four rows and columns of a group's sums: where a token's part and values are, from where its
// channels begin. The last block of columns is the one after D.
struct Block { part: u32, values: u32, last: bool, d4s: u32, column4: u32, }

// What a token adds to a block.
struct Part { k: vec4<f32>, v: vec4<f32>, }

// `i` is where the channels of a token and group begin, `row` counts these.
fn part_of(at: Block, i: u32, row: u32) -> Part {
  return Part(max(qkv[i + at.part], vec4(0.0)), columns(at, i, row));
}

fn add_part(s: mat4x4<f32>, p: Part) -> mat4x4<f32> {
  return mat4x4(s[0] + p.k.x * p.v, s[1] + p.k.y * p.v, s[2] + p.k.z * p.v, s[3] + p.k.w * p.v);
}

// A block of sums, four tokens at a time so that a GPU waits once for all of them.
fn sums(id: u32) -> mat4x4<f32> {
  let d4s = params.dim / 4u;
  let of_all = id / d4s;
  let block = of_all % (d4s + 1u);
  let group = of_all / (d4s + 1u);   // of all images
  let column4 = min(block, d4s - 1u);
  let at = Block(PART * d4s + id - of_all * d4s, 2u * d4s + column4, block == d4s, d4s, column4);
  let next = params.groups;
  let step = 3u * d4s * next;
  var row = group / next * params.tokens * next + group % next;
  var i = 3u * d4s * row;
  let end = row + params.tokens * next;
  var sum = mat4x4<f32>();
  for (; row + 3u * next < end; row += 4u * next) {
    let p0 = part_of(at, i, row);
    let p1 = part_of(at, i + step, row + next);
    let p2 = part_of(at, i + 2u * step, row + 2u * next);
    let p3 = part_of(at, i + 3u * step, row + 3u * next);
    sum = add_part(add_part(add_part(add_part(sum, p0), p1), p2), p3);
    i += 4u * step;
  }
  for (; row < end; row += next) {
    sum = add_part(sum, part_of(at, i, row));
    i += step;
  }
  if (at.last) { return transpose(sum); }
  return sum;
}
