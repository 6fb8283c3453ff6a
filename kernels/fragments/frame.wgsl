// A frame of a pass. `packStruct` fills it by these names.
struct Frame {
  row: u32,     // its row of the modulation tables
  index: u32,   // its place in the video
  slot: u32,    // the first cache slot of its keys
  keys: u32,    // how many keys its queries see
}
