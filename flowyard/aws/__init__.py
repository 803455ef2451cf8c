"""What AWS takes and how it counts: pure values and rules, without any AWS library."""
