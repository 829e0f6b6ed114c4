"""What do the hosts say to each other? Applications, as SimPy processes on an endpoint."""
