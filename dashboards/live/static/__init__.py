"""Files that the browser loads. This is a package so that an installation contains them.

`land.json`: Natural Earth 1:50m country outlines, version 4.1 (public domain, naturalearthdata.com), simplified.
"""
