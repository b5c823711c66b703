"""Nodes for ComfyUI: shots of a wan-render storyboard, their finished takes, and keyframes for it."""

from .storyboard_nodes import LoadTake, SaveKeyframe, StoryboardShot

NODE_CLASS_MAPPINGS = {
    "WanRenderStoryboardShot": StoryboardShot,
    "WanRenderLoadTake": LoadTake,
    "WanRenderSaveKeyframe": SaveKeyframe,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "WanRenderStoryboardShot": "Storyboard shot",
    "WanRenderLoadTake": "Load take",
    "WanRenderSaveKeyframe": "Save keyframe",
}
__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
