// Numbers that change from step to step, or from frame to frame.
struct Step {
  context_keys: u32,     // keys in the long-term region
  context_start: u32,    // its oldest key: the region is a ring
  context_slots: u32,    // and its size
  context_frame: u32,    // frame index of the oldest long-term key
  window_start: u32,     // the same for the short-term window
  window_slots: u32,
  window_frame: u32,
  latent_frame: u32,     // index of the frame that is being denoised
  c0: f32,               // factors of this velocity and the previous one
  c1: f32,
  guidance: f32,
}
