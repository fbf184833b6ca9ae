"""The real control plane for tests and the demo: its binaries built from source, started and stopped on loopback.

Nothing of it is in the wheel or the image. The pinned versions are those of the modules beside this file, one a tool.
"""
