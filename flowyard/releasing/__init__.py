"""What keeps ships in order: release records and heads, leases, and the rule of commits."""
