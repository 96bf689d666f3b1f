"""Scenarios: small programs run natively and under `procache run`, and what must be seen."""
