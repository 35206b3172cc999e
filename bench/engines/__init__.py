"""What people might use instead: one module each, all fed the same requests."""
