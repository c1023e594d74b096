"""What an operator can decide about a Node: one table, three sources, one valid `Settings` (docs/settings.md)."""

from masq.settings.sources import default_data_directory, gather, load, read_config_file
from masq.settings.table import SETTINGS, Setting, Settings
from masq.settings.values import (
    CrashPoint,
    LogLevel,
    MappingProtocol,
    ScanIntervals,
)

__all__ = [
    "SETTINGS",
    "CrashPoint",
    "LogLevel",
    "MappingProtocol",
    "ScanIntervals",
    "Setting",
    "Settings",
    "default_data_directory",
    "gather",
    "load",
    "read_config_file",
]
