"""From a finished execution to a record: verifying its facts, taking its effects and their content."""
