"""A shard owns some vans: it turns batches of messages into rows, dead letters and alerts. It is pure."""
