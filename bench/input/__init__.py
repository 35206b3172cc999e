"""What benches are fed with: `shapes` of recorded traffic, and `train_dictionary` for packing payloads."""
