"""What works and what does not, from here to the storage: one finding after the other, each with what to do."""
