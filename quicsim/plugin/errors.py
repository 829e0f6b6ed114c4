"""What can be wrong with a plugin?"""

from __future__ import annotations

__all__ = ["PluginError"]


class PluginError(ValueError):
    """An object is no plugin, or not one that may be attached here. The message says where and what would be right."""
