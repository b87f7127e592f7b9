"""The log on Kafka, for fleets that one machine cannot carry: the same agent, one shard for each partition."""
