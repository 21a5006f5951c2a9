"""Look inside: what a model remembers, what reaches its gradient, how cells compare, what is true of them."""
