"""Files the browser loads; a package, so that an installation carries them.

`land.json`: Natural Earth 1:50m country outlines, version 4.1 (public domain, naturalearthdata.com), simplified.
"""
