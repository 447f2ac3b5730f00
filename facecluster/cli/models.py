"""Networks."""

COMMANDS = ()
