/**
 * A result, unless the signal aborts first; then the work is abandoned.
 * @throws the signal's reason
 */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => {}); // ignore errors of abandoned work
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop);
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/**
 * The items of a generator, until the signal aborts. Work in progress is then abandoned, since
 * waiting for it could take as long as a frame.
 * @throws the signal's reason
 */
export async function* untilAborted<T>(
  items: AsyncGenerator<T, void, void>,
  signal: AbortSignal,
): AsyncGenerator<T, void, void> {
  try {
    while (true) {
      const { value, done } = await orAborted(items.next(), signal);
      if (done) return;
      yield value;
    }
  } finally {
    // a generator that is still working would return only when it is done
    if (!signal.aborted) await items.return();
  }
}
