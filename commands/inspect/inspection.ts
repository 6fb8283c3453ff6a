/** What there is to say about a file, for people and for programs. */
export interface Inspection {
  /** For people. What a file says may hold line ends of its own, which are shown as `\n`. */
  readonly lines: readonly string[];
  readonly json: Record<string, unknown>;
}
