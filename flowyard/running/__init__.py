"""Running in detail: how a run is followed, where its time went, what its ECS task and its result say."""
