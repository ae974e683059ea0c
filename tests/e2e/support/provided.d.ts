import "vitest";

declare module "vitest" {
  export interface ProvidedContext {
    /** Address of the test host or of a real ComfyUI. */
    comfyui: string;
  }
}
