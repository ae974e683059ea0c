// What ComfyUI's frontend serves beside this pack, typed by its published types.
declare module "*/scripts/app.js" {
  import type { ComfyApp } from "@comfyorg/comfyui-frontend-types";
  export const app: ComfyApp;
}

declare module "*/scripts/api.js" {
  import type { ComfyApi } from "@comfyorg/comfyui-frontend-types";
  export const api: ComfyApi;
}
