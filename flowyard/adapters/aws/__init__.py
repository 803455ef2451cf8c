"""Adapters of Amazon Web Services. boto3 is imported when the first call is made, and never before."""
