// floor(n / d) for n below 2^31 and d below 2^24: software adapters divide integers lane by lane.
fn quotient(n: u32, d: u32) -> u32 {
  let inverse = 1.0 / f32(d);
  let about = i32(f32(n) * inverse);
  let rest = i32(n) - about * i32(d);
  let near = about + i32(floor(f32(rest) * inverse));
  let left = i32(n) - near * i32(d);
  return u32(near + select(0, 1, left >= i32(d)) - select(0, 1, left < 0));
}
