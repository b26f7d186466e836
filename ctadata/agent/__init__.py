"""Keep a profile's token fresh: the agent, its login, and the renewal that commands use too."""
