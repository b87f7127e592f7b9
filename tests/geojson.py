"""GeoJSON for tests."""

import json


def feature(geometry, **properties):
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def square(west, south, size):
    east, north = west + size, south + size
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def point(longitude, latitude):
    return {"type": "Point", "coordinates": [longitude, latitude]}


def geojson(*features):
    return json.dumps({"type": "FeatureCollection", "features": features})
