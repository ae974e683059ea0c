"""Focus Puller without ComfyUI's window: Python API, command line, workflow runner, client."""
