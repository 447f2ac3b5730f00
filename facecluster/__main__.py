"""`python -m facecluster` is the command line, for where no script was installed."""

from facecluster.cli import main

if __name__ == "__main__":
    main(prog_name="facecluster")
