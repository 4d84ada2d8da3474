"""What a person sees of the sandbox: the Checkout page and the bank's page."""
