import { match, ok, throws } from "node:assert/strict";
import { MemorySource } from "../../files/byte_source.ts";
import { CheckpointError } from "../../files/errors.ts";
import { Checkpoint } from "../../weights/checkpoint.ts";
import { PthFile } from "../../weights/pth.ts";
import { call, dict, global, pickle, pth, tensor, text, tuple } from "./torch_bytes.ts";

/** How PyTorch pickles tensors without plain values, and the advice for each. */
const KINDS: readonly [module: string, name: string, remedy: RegExp][] = [
  ["torch._utils", "_rebuild_sparse_tensor", /\.to_dense\(\)$/],
  ["torch._utils", "_rebuild_sparse_csr_tensor", /\.to_dense\(\)$/],
  ["torch._utils", "_rebuild_qtensor", /\.dequantize\(\)$/],
  ["torch._utils", "_rebuild_nested_tensor", /\.to_padded_tensor\(\)$/],
  ["torch._utils", "_rebuild_meta_tensor_no_storage", /load its weights first$/],
  ["numpy.core.multiarray", "_reconstruct", /torch\.from_numpy\(\)$/],
  ["my.project", "LazyTensor", /save only its state_dict\(\)$/],
];

for (const [module, name, remedy] of KINDS) {
  Deno.test(`Checkpoint says why a wanted ${module}.${name} cannot be read, in one line`, async () => {
    const stranger = call(global(module, name), tuple());
    const whole = dict(text("a"), tensor({ key: "0" }), text("w"), stranger);
    const file = await PthFile.from(new MemorySource(pth(pickle(whole))));
    const unwanted = Checkpoint.from(file);
    unwanted.expect("a", [2]);
    unwanted.finish();
    const wanted = Checkpoint.from(file);
    wanted.expect("a", [2]);
    wanted.expect("w", [2]);
    throws(() => wanted.finish(), (error: Error) => {
      ok(error instanceof CheckpointError);
      ok(!error.message.includes("\n"), error.message);
      match(error.message, /"w" cannot be read: it asks for ".*", which was not run; /);
      match(error.message, remedy);
      return true;
    });
  });
}
