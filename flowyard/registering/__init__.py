"""Registering in detail: deployments as Prefect's API has them, what images say, and validation."""
