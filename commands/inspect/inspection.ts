/** What there is to say about a file, for people and for programs. */
export interface Inspection {
  readonly text: string;
  readonly json: Record<string, unknown>;
}
