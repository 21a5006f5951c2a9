"""Examples that training and test share: equal ones, and texts that are nearly equal."""
