/** The argument that makes this program the GPU process of a supervisor. */
export const CHILD_ARGUMENT = "__gpu";

/** Settings of a GPU process, as JSON in its second argument. */
export interface ChildSettings {
  readonly backend?: "vulkan" | "metal" | "dx12" | "gl";
  readonly dispatchesPerSubmit?: number;
}
