"""Workflows of ComfyUI as values: who renders them, and who only reads them, know the same graphs.

workflow       a workflow that a storyboard names, and one that can be sent
workflow_file  the graph of a file in API format
"""
