"""What units and layers respond to, and what changes it."""
