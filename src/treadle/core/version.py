"""The version of Treadle, as `treadle --version` and traces say it."""

VERSION = "0.2.0"
