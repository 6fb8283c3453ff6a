// Neighbours of a pixel in x of a convolution, zero outside the image.

// Where a pixel's neighbour starts in x, and 1; or 0 and 0 outside the image.
struct Neighbour { at: u32, weight: f32, }

// The neighbour at a distance d of a pixel, given by its index and position.
fn neighbour(p: vec3<i32>, d: vec2<i32>) -> Neighbour {
  let place = p.yz + d;
  let inside = all((place >= vec2(0)) & (place < vec2(params.width, params.height)));
  let at = u32(p.x + d.y * params.width + d.x) * (params.k / 4u);
  return Neighbour(select(0u, at, inside), select(0.0, 1.0, inside));
}

fn channels(n: Neighbour, k4: u32) -> vec4<f32> { return x[n.at + k4] * n.weight; }
