"""What every resource of the sandbox stands on: requests, rules, storage and time."""
