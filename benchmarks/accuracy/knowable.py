class Bounds: pass
