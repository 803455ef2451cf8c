"""What the verb `lock` writes: base images by digest, dependencies with hashes."""
