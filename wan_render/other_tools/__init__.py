"""What other tools wrote into their files, as a storyboard to start from (`new --from`).

embedded_metadata  the metadata of a picture, a video or a JSON file: whose it is
editor_graph       a workflow of ComfyUI's editor → a graph in its API format
graph_settings     a graph in API format → the settings of a shot
wangp_settings     WanGP's settings → the settings of a shot
found_shot         what was found, as a value
begun_storyboard   what was found → a folder with a storyboard
"""
