// The window of SSIM: eleven values of a Gaussian of deviation 1.5 that add up to 1. Pictures range
// from 0 to 2, so the constants are four times the usual ones.

const TAPS = 11u;
const C1 = 0.0004;
const C2 = 0.0036;

const WINDOW = array<f32, 11>(
  0.0010283801, 0.0075987581, 0.0360007721, 0.1093606895, 0.2130055377, 0.2660117249,
  0.2130055377, 0.1093606895, 0.0360007721, 0.0075987581, 0.0010283801,
);

// Windows that contain a pixel: first and last, within the existing ones.
struct Span { first: u32, last: u32, }

fn span(place: u32, windows: u32) -> Span {
  return Span(place - min(place, TAPS - 1u), min(place, windows - 1u));
}
