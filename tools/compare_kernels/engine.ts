/** y [m, n] = x [m, k] w [k, n]. */
export interface Shape {
  readonly m: number;
  readonly k: number;
  readonly n: number;
}

export interface Inputs extends Shape {
  readonly x: Float32Array<ArrayBuffer>;
  readonly w: Float32Array<ArrayBuffer>;
}

/** A matrix product on the GPU, its inputs there already. */
export interface Engine {
  readonly name: string;
  /** Multiplies `times` times, one after the other, and reads the last y back. */
  multiply(times: number): Promise<Float32Array>;
  close(): void;
}
