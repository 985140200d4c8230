"""The command line. Modules here import only click at the top: `ritm --help` must not load torch."""
