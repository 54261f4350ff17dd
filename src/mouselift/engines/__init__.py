"""Where blocks of work run: in processes of this machine, or on a cluster. One file an engine."""
