// A frame of a pass. `packStruct` fills it by these names.
struct Frame {
  row: u32,     // its row of the modulation tables
  index: u32,   // its index in the video
  slot: u32,    // the first cache slot of its keys
  keys: u32,    // number of keys its queries attend to
}
