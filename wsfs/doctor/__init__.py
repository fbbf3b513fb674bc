"""What may be wrong on a machine or with an account, each with a cure."""
