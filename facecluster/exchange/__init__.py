"""Names to and from other tools: XMP sidecars, Picasa, tables and folders."""
