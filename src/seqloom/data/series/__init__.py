"""Series of numbers in time: tables read, set on a regular grid, divided by time, cut into windows."""
