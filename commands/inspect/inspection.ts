/** Facts about a file, for people and for programs. */
export interface Inspection {
  /** For people. Line breaks inside a file's texts are shown as `\n`. */
  readonly lines: readonly string[];
  readonly json: Record<string, unknown>;
}
