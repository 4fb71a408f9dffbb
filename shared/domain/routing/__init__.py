"""How a campaign's plan judges a caller: filters, hours, money and order; for pings and, with the caps of then, for calls."""
