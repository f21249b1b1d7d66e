"""What all commands share: flags, help, exit codes, the environment."""
