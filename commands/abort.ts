/**
 * The items of a generator, until the signal aborts. The work in hand is then left behind: waiting
 * for it could take as long as a frame does.
 * @throws the signal's reason
 */
export async function* untilAborted<T>(
  items: AsyncGenerator<T, void, void>,
  signal: AbortSignal,
): AsyncGenerator<T, void, void> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  aborted.catch(() => {}); // nobody may be waiting when it comes
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop);
  try {
    while (true) {
      const { value, done } = await Promise.race([items.next(), aborted]);
      if (done) return;
      yield value;
      signal.throwIfAborted();
    }
  } finally {
    signal.removeEventListener("abort", stop);
    // a generator that is still at work would only return when that is done
    if (!signal.aborted) await items.return();
  }
}
